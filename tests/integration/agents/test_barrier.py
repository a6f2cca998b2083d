"""Between two ticks of a world: nobody runs ahead, moves arrive, places are kept, climates mix."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from agents import actions, behaviours
from agents.behaviours import Behaviour
from agents.engine import barrier, loop
from agents.facts import Decision, Facts, Outcome
from agents.models import Agent, TickLog
from domains import sql
from domains.chance import Chance
from domains.ids import new_id
from domains.thunderflow import queries as thunderflow
from tests.integration.agents.living import (
    allow,
    check_counts,
    events,
    finish,
    live,
    logs,
    make_world,
    people,
    person,
    tick_open,
)
from zones.actions import clock
from zones.models import Crossing, Zone

pytestmark = pytest.mark.django_db

RESTLESS = [{"name": "feet", "kind": "behavior", "effects": {"action_weights": {"move_zone": 50.0}}}]


@pytest.fixture
def moving(request: pytest.FixtureRequest) -> Callable[[str], list[dict[str, Any]]]:
    """Mods that let agents do nothing but go to a zone of that name."""

    def make(to: str) -> list[dict[str, Any]]:
        name = f"go_to_{to.replace(' ', '_')}"

        def act(facts: Facts, _decision: Decision, _chance: Chance) -> Outcome:
            way = next((way for way in facts.ways if way.name == to), None)
            return Outcome(("{name} set out.",), "Set out.", activity="going", destination=way)

        behaviours.register(Behaviour(name, 0, act, "to be there", bias=1000))
        request.addfinalizer(lambda: behaviours.unregister(name))
        return []

    return make


# --- Order ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_nobody_starts_a_tick_before_all_have_finished_the_last() -> None:
    """Three workers at once, zones of very different sizes: positions in the log tell who came first."""
    world, zones = make_world(*({"capacity": 100} for _ in range(4)), ways=[(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)])
    for n, zone in enumerate(zones):
        people(zone, 3 + 12 * n, first=100 * n, mods=RESTLESS if n % 2 else [])
    start = thunderflow.settled()
    allow(world, 25)
    work_together(world, 3)
    spans: dict[int, list[int]] = defaultdict(list)
    for event in thunderflow.read(after=start, pattern="zone.*.agent_ticked", limit=100_000)[0]:
        spans[event.payload["world_tick"]].append(event.position)
    assert sorted(spans) == list(range(1, 26))
    for tick in range(1, 25):
        assert max(spans[tick]) < min(spans[tick + 1])
    counts = [len(spans[tick]) for tick in spans]
    assert counts == [84] * 25
    check_counts(world)


def work_together(world: Any, workers: int) -> None:
    """Several threads, each a worker with a connection of its own, until the clock stands at its target."""
    failures = []

    def work(pause: float) -> None:
        try:
            while clock.anything_to_do(world.pk):
                loop.run(seconds=pause, world_id=world.pk)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(0.005 + 0.05 * n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    world.refresh_from_db()
    assert world.tick == world.target_tick


# --- Moves ---------------------------------------------------------------------------------------------------


def test_who_leaves_at_a_tick_arrives_at_the_next(moving: Any) -> None:
    world, (here, there) = make_world({}, {}, ways=[(0, 1, 1.0)])
    mara = person(here, mods=moving("Zone 1"))
    tick_open(world)
    mara.refresh_from_db()
    assert (mara.tick_number, mara.zone_id) == (1, here.pk)
    crossing = Crossing.objects.get()
    assert (crossing.agent_id, crossing.leave_tick, crossing.destination_id) == (mara.pk, 1, there.pk)
    assert barrier.advance(world.pk)
    mara.refresh_from_db()
    assert mara.zone_id == there.pk
    assert not Crossing.objects.exists()
    check_counts(world)
    finish(world)
    assert [(log.world_tick, log.zone_id) for log in logs(mara)] == [(1, here.pk), (2, there.pk)]
    (left,), (entered,) = events(here.pk, "agent_left"), events(there.pk, "agent_entered")
    assert left.payload["destination"] == str(there.pk)
    assert entered.payload["origin"] == str(here.pk)
    assert left.payload["tick"] == entered.payload["tick"] == 1


def test_where_one_arrives_follows_from_the_seed(moving: Any) -> None:
    places = set()
    go = moving("Zone 1")
    for n in range(2):
        world, (here, there) = make_world({}, {}, name=f"World {n}", ways=[(0, 1, 1.0)])
        mara = person(here, mods=go)
        live(world, 2)
        mara.refresh_from_db()
        assert mara.zone_id == there.pk
        places.add((mara.x, mara.y))
    assert len(places) == 1
    assert all(0 <= c <= 100 for c in places.pop())


def test_a_full_place_turns_back_in_order(moving: Any) -> None:
    world, (here, there) = make_world({}, {"capacity": 3}, ways=[(0, 1, 1.0)])
    resident = person(there, "Resident")
    travellers = people(here, 5, mods=moving("Zone 1"))
    live(world, 2)
    by_zone = dict(Agent.objects.values_list("ordinal", "zone_id"))
    assert [by_zone[t.ordinal] == there.pk for t in travellers] == [True, True, False, False, False]
    refused = events(here.pk, "move_refused")
    assert [event.payload["name"] for event in refused] == ["Agent 2", "Agent 3", "Agent 4"]
    assert {event.payload["destination"] for event in refused} == {str(there.pk)}
    assert Agent.objects.get(pk=resident.pk).zone_id == there.pk
    check_counts(world)


def test_a_place_that_somebody_leaves_can_be_taken_by_a_later_one(moving: Any) -> None:
    """Two full zones swap only what ordinals allow: the first is turned back, and the second finds its place."""
    world, (one, two) = make_world({"capacity": 1}, {"capacity": 1}, ways=[(0, 1, 1.0)])
    first = person(one, "First", mods=moving("Zone 1"))
    second = person(two, "Second")
    live(world, 3)
    assert Agent.objects.get(pk=first.pk).zone_id == one.pk
    assert Agent.objects.get(pk=second.pk).zone_id == two.pk
    assert len(events(one.pk, "move_refused")) == 2
    check_counts(world)


def test_a_closed_place_turns_back(moving: Any) -> None:
    world, (here, there) = make_world({}, {}, ways=[(0, 1, 1.0)])
    mara = person(here, mods=moving("Zone 1"))
    tick_open(world)
    Zone.objects.filter(pk=there.pk).update(closed=True)
    finish(world)
    assert Agent.objects.get(pk=mara.pk).zone_id == here.pk
    assert len(events(here.pk, "move_refused")) == 1


def test_shut_and_closed_ways_are_no_ways() -> None:
    world, (here, *_) = make_world({}, {"closed": True}, {}, ways=[(0, 1, 1.0), (0, 2, 0.0)])
    mara = person(here, mods=RESTLESS)
    live(world, 3)
    assert "move_zone" not in {log.action for log in logs(mara)}


def test_who_is_archived_on_the_way_arrives_nowhere(moving: Any) -> None:
    world, (here, there) = make_world({}, {}, ways=[(0, 1, 1.0)])
    mara = person(here, mods=moving("Zone 1"))
    tick_open(world)
    actions.archive([mara.pk], by="test")
    finish(world)
    mara.refresh_from_db()
    assert (mara.zone_id, mara.lifecycle) == (here.pk, "archived")
    assert [Zone.objects.get(pk=z.pk).agent_count for z in (here, there)] == [0, 0]


def test_who_is_deleted_on_the_way_is_forgotten() -> None:
    world, (here, there) = make_world({}, {}, ways=[(0, 1, 1.0)])
    Crossing.objects.create(
        agent_id=new_id(), agent_ordinal=5, world=world, origin=here, destination=there, leave_tick=0
    )
    Zone.objects.filter(world=world).update(due_tick=50)
    live(world)
    assert not Crossing.objects.exists()
    check_counts(world)


def test_arrivals_are_noticed(moving: Any) -> None:
    world, (here, there) = make_world({}, {}, ways=[(0, 1, 1.0)])
    person(here, "Traveller", mods=moving("Zone 1"))
    ben = person(there, "Ben")
    live(world, 2)
    there.refresh_from_db()
    arrivals = [h for h in there.happenings if h[1] == "arrival"]
    assert [h[2] for h in arrivals] == ["Traveller came to Zone 1 from Zone 0."]
    assert ben.pk


def test_nobody_is_lost_over_many_moves() -> None:
    """Restless people, places that just hold them: counts are right and no place is overfull after each tick."""
    world, zones = make_world(
        *({"capacity": 6} for _ in range(4)), ways=[(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0), (3, 0, 1.0)]
    )
    for n, zone in enumerate(zones):
        people(zone, 5, first=10 * n, mods=RESTLESS, stats={"energy": 100})
    for _ in range(30):
        live(world)
        check_counts(world)
    assert Agent.objects.filter(world=world).exclude(tick_number=30).count() == 0
    told = [sum(len(events(zone.pk, verb)) for zone in zones) for verb in ("agent_left", "move_refused")]
    assert all(n > 20 for n in told)
    moved = TickLog.objects.filter(zone_id__in=[z.pk for z in zones], action="move_zone").count()
    last = Crossing.objects.filter(world=world).count()
    assert moved == sum(told) + last


# --- Climate -------------------------------------------------------------------------------------------------


def test_disorder_spreads_to_neighbours() -> None:
    world, (wild, calm, far) = make_world({"entropy": 0.9}, {"entropy": 0.1}, {"entropy": 0.1}, ways=[(0, 1, 0.5)])
    Zone.objects.filter(pk=wild.pk).update(diffusing=True)
    live(world, 1)
    assert Zone.objects.get(pk=calm.pk).entropy == pytest.approx(0.1 + 0.8 * 0.1 * 0.5)
    assert Zone.objects.get(pk=wild.pk).entropy == pytest.approx(0.9 - 0.8 * 0.1 * 0.5)
    assert Zone.objects.get(pk=far.pk).entropy == 0.1
    assert not Zone.objects.filter(diffusing=True).exists()


# --- Locks ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_people_at_work_and_the_engine_never_deadlock() -> None:
    """Archiving, suspending and forcing over several zones while everybody moves: once this deadlocked.

    The barrier took the rows of who is on the way before their zones, and others the zones first.
    """
    world, zones = make_world(
        *({"capacity": 60, "entropy": 0.9, "environment_interval": 1 + n} for n in range(5)),
        ways=[(4, 1, 1.0), (1, 3, 1.0), (3, 0, 1.0), (0, 2, 1.0)],  # climates stir some zones, never all
    )
    crowd = [a for n, z in enumerate(zones) for a in people(z, 10, first=10 * n, mods=RESTLESS)]
    allow(world, 40)
    stop = threading.Event()
    failures: list[Exception] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def meddle(seed: int) -> None:
        chance = random.Random(seed)
        mine = [a.pk for a in crowd[seed::2]]
        while not stop.is_set():
            some = chance.sample(mine, 4)
            actions.suspend(some, by="test")
            actions.activate(some, by="test")
            actions.force_tick(some[0], by="test")
            actions.archive(some[:2], by="test")
            actions.unarchive(some[:2], by="test")
            actions.activate(some[:2], by="test")

    def engine() -> None:
        while clock.anything_to_do(world.pk):
            loop.run(seconds=0.2, world_id=world.pk)

    meddlers = [guarded(lambda seed=seed: meddle(seed)) for seed in range(2)]  # type: ignore[misc]
    for thread in [guarded(engine) for _ in range(2)]:
        thread.join(80)
    stop.set()
    for thread in meddlers:
        thread.join(20)
    assert not failures
    world.refresh_from_db()
    assert world.tick == 40
    check_counts(world)
    for agent in Agent.objects.filter(world=world):
        assert [log.tick_number for log in logs(agent)] == list(range(1, agent.tick_number + 1))


def test_a_world_that_may_not_go_on_does_not() -> None:
    world, _ = make_world()
    assert not barrier.advance(world.pk)
    allow(world, 1)
    assert barrier.advance(world.pk)
    assert not barrier.advance(world.pk)


def test_a_zone_that_is_due_holds_the_clock() -> None:
    world, (zone,) = make_world()
    person(zone)
    allow(world, 2)
    assert barrier.advance(world.pk)
    assert not barrier.advance(world.pk)


def test_only_zones_that_diffusion_can_change_are_locked_for_it() -> None:
    """What diffusion will change is known before; a zone without part in it is left alone."""
    world, (wild, calm, far) = make_world({"entropy": 0.9}, {}, {}, ways=[(0, 1, 0.5)])
    Zone.objects.filter(pk=wild.pk).update(diffusing=True)
    allow(world, 1)
    found = {row[0] for row in sql.fetch_rows(clock.CLIMATE_ZONES, {"world": world.pk})}
    assert found == {wild.pk, calm.pk}
    assert far.pk not in found

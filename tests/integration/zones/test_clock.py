"""A world's clock under its zones' turns, alone and with several workers at once."""

from threading import Event as Flag
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from domains.ids import new_id
from domains.thunderflow.actions import publish_many
from tests.factories.worlds import make_world
from tests.threads import threads, wait_for_lock
from zones import environment
from zones.actions import clock, places, worlds
from zones.actions.clock import Crosser, Settled
from zones.models import Crossing, Neighbour, World, Zone
from zones.state import KEPT_HAPPENINGS, Happening, ZoneState, pack, unpack

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Any:
    """Three zones in a ring, all due at tick 0, and a clock that may go on."""
    return due(make_world(zones=3, agents=0))


def due(world: Any, *, tick: int = 0, target_tick: int = 10) -> Any:
    Zone.objects.filter(world=world).update(due_tick=tick)
    World.objects.filter(pk=world.pk).update(tick=tick, target_tick=target_tick)
    return world


def clock_of(world: Any) -> int:
    return World.objects.values_list("tick", flat=True).get(pk=world.pk)


def claim(world_id: UUID | None = None) -> ZoneState | None:
    return next(iter(clock.claim(world_id)), None)


def turn(world_id: UUID | None = None) -> str | None:
    """One zone's turn: done with, and due again at the next tick. Returns its name."""
    with transaction.atomic():
        zone = claim(world_id)
        if zone is None:
            return None
        clock.save([(zone, zone.tick + 1)])
        return zone.name


def advance(world_id: UUID | None = None) -> bool:
    with transaction.atomic():
        taken = clock.take_turn(world_id)
        if taken is not None:
            clock.go_on(taken)
    return taken is not None


# --- A zone's turn -------------------------------------------------------------------------------------------


def test_each_due_zone_has_one_turn_a_tick(world: Any) -> None:
    assert sorted([turn(), turn(), turn()]) == ["Zone 0", "Zone 1", "Zone 2"]  # type: ignore[type-var]
    assert turn() is None
    assert advance()
    assert turn() is not None


def test_a_zone_that_is_not_due_is_left_alone(world: Any) -> None:
    world.zones.filter(ordinal__gt=0).update(due_tick=1)
    assert turn() == "Zone 0"
    assert turn() is None


def test_one_world_can_be_asked_for(world: Any) -> None:
    other = due(make_world("Other", zones=1, agents=0))
    assert turn(other.pk) == "Zone 0"
    assert turn(other.pk) is None
    assert turn(uuid4()) is None
    assert turn(world.pk) is not None


def test_a_zone_comes_with_all_that_its_turn_needs(world: Any) -> None:
    world.zones.filter(ordinal=2).update(closed=True)
    zone = world.zones.get(ordinal=0)
    Zone.objects.filter(pk=zone.pk).update(
        happenings=[pack(Happening(3, "arrival", "Bo came.", 0.5, 0.1, 4))],
        regeneration={"food": 2.0}, food=12.5, light=0.1, entropy=0.4, thermal=-0.2, diffusing=True, agent_count=3,
    )  # fmt: skip
    with transaction.atomic():
        state = clock.lock(zone.pk)
    assert state is not None
    assert (state.id, state.world_id, state.world_name, state.seed, state.tick) == (zone.pk, world.pk, "Harbour", 7, 0)
    assert (state.ordinal, state.name, state.capacity, state.agent_count) == (0, "Zone 0", 10, 3)
    assert state.resources == {"food": 12.5, "materials": 60, "energy": 60, "knowledge": 60}
    assert state.properties == {"temperature": 20, "humidity": 0.5, "light": 0.1, "noise": 0.2}
    assert (state.entropy, state.thermal, state.diffusing, state.regeneration) == (0.4, -0.2, True, {"food": 2.0})
    assert state.happenings == [Happening(3, "arrival", "Bo came.", 0.5, 0.1, 4)]
    (way,) = state.ways
    assert (way.ordinal, way.name, way.permeability) == (1, "Zone 1", 0.5), "no way leads into a closed zone"


def test_shut_ways_are_none(world: Any) -> None:
    Neighbour.objects.filter(zone__ordinal=0, other__ordinal=1).update(permeability=0)
    with transaction.atomic():
        state = clock.lock(world.zones.get(ordinal=0).pk)
    assert state is not None
    assert [way.ordinal for way in state.ways] == [2]


def test_a_zone_that_is_not_there_cannot_be_locked() -> None:
    assert clock.lock(uuid4()) is None


def test_what_a_turn_changes_is_written_back_and_nothing_else(world: Any) -> None:
    before = Zone.objects.values().get(world=world, ordinal=0)
    with transaction.atomic():
        state = clock.lock(before["id"])
        assert state is not None
        state.take("food", 10)
        state.tell(Happening(0, "test", "It rained.", 0.4))
        environment.step(state)
        clock.save([(state, 17)])
    now = Zone.objects.values().get(pk=before["id"])
    with transaction.atomic():
        again = clock.lock(before["id"])
    assert again is not None
    assert again.resources == state.resources
    assert again.properties == state.properties
    assert (again.entropy, again.thermal, again.diffusing) == (state.entropy, state.thermal, state.diffusing)
    assert again.happenings == unpack(state.kept())
    assert (now["due_tick"], now["environment_due"], now["agent_count"]) == (17, 30, before["agent_count"])
    lives = {
        "due_tick", "environment_due", "agent_count", "temperature", "humidity", "light", "noise", "food", "materials",
        "energy", "knowledge", "entropy", "thermal", "diffusing", "happenings", "updated_at",
    }  # fmt: skip
    assert {name for name in now if now[name] != before[name]} <= lives


def test_resources_that_changed_are_told_once(world: Any) -> None:
    with transaction.atomic():
        state = clock.lock(world.zones.get(ordinal=0).pk)
        assert state is not None
        now = Zone.objects.values_list("updated_at", flat=True).get(pk=state.id)
        assert clock.resource_event(state, now) == []
        state.take("food", 10)
        state.give("food", 4)
        state.take("energy", 1)
        state.give("energy", 1)
        (event,) = clock.resource_event(state, now)
        publish_many([event])
    assert (event.stream, event.topic) == (state.stream, f"zone.{state.id}.resource_changed")
    assert event.payload.changes == {"food": -6.0}  # type: ignore[attr-defined]
    assert event.payload.new_resources["food"] == 54.0  # type: ignore[attr-defined]


# --- The barrier ---------------------------------------------------------------------------------------------


def test_the_clock_waits_for_the_last_zone(world: Any) -> None:
    for _ in range(3):
        assert not advance()
        turn()
    assert advance()
    assert clock_of(world) == 1
    assert not advance(), "all zones are due again"


def test_the_clock_does_not_pass_its_target(world: Any) -> None:
    Zone.objects.update(due_tick=999)
    moved = 0
    while advance():
        moved += 1
    assert (moved, clock_of(world)) == (10, 10)
    assert not clock.anything_to_do()


def test_what_is_to_be_done_is_known(world: Any) -> None:
    assert clock.anything_to_do()
    assert clock.anything_to_do(world.pk)
    assert not clock.anything_to_do(uuid4())
    due(world, tick=5, target_tick=5)
    assert clock.anything_to_do(), "its zones are due"
    Zone.objects.update(due_tick=6)
    assert not clock.anything_to_do()


def test_a_turn_knows_its_world(world: Any) -> None:
    Zone.objects.update(due_tick=999)
    with transaction.atomic():
        taken = clock.take_turn(world.pk)
        assert taken == clock.Turn(world.pk, "Harbour", 7, 0)
        assert clock.take_turn(uuid4()) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
class TestManyWorkers:
    def test_a_locked_zone_is_passed_over(self, world: Any) -> None:
        with threads() as started, transaction.atomic():
            first = claim()
            others = [started.start(turn).result(30) for _ in range(2)]
            assert first is not None
            assert sorted([first.name, *others]) == ["Zone 0", "Zone 1", "Zone 2"]
            assert started.start(turn).result(30) is None

    def test_the_clock_waits_for_a_zone_in_another_worker_s_hands(self, world: Any) -> None:
        """Its chunks are not committed, so to all others it is still due."""
        with threads() as started:
            with transaction.atomic():
                zone = claim()
                assert zone is not None
                clock.save([(zone, 1)])
                assert [started.start(turn).result(30) is None for _ in range(3)] == [False, False, True]
                assert not started.start(advance).result(30)
                assert started.start(clock.anything_to_do).result(30)
            assert started.start(advance).result(30)
        assert clock_of(world) == 1

    def test_one_worker_at_a_time_moves_a_clock(self, world: Any) -> None:
        Zone.objects.update(due_tick=999)
        with threads() as started, transaction.atomic():
            taken = clock.take_turn()
            assert taken is not None
            assert not started.start(advance).result(30)
            clock.go_on(taken)
        assert clock_of(world) == 1

    def test_a_clock_that_was_just_moved_does_not_skip_a_tick(self, world: Any) -> None:
        """A worker looks for a world while another moves its clock, and gets the lock after that.

        It began when no zone was due, and finds the new clock at which all are. To hold it between the two, it reads
        the zones through a view that waits.
        """
        Zone.objects.update(due_tick=1)
        with connection.cursor() as cursor:
            cursor.execute(SLOW_ZONES)

        def slow() -> clock.Turn | None:
            with connection.cursor() as cursor:
                cursor.execute("SET search_path = slow, public")
            with transaction.atomic():
                return clock.take_turn()

        try:
            with threads() as started:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_lock(7, 7)")
                late = started.start(slow)
                wait_for_lock()
                assert advance()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(7, 7)")
                assert late.result(30) is None
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP SCHEMA slow CASCADE")
        assert clock_of(world) == 1

    def test_workers_at_once_give_every_zone_one_turn_a_tick(self, world: Any) -> None:
        """However they meet, each of ten ticks is done once by each zone, and no tick begins before the last ended."""
        turns: list[tuple[int, int]] = []

        def work() -> None:
            while clock.anything_to_do(world.pk):
                with transaction.atomic():
                    zone = claim(world.pk)
                    if zone is not None:
                        turns.append((zone.tick, zone.ordinal))
                        clock.save([(zone, zone.tick + 1)])
                if zone is None:
                    advance(world.pk)

        with threads() as started:
            for worker in [started.start(work) for _ in range(3)]:
                worker.result(60)
        assert sorted(turns) == [(tick, ordinal) for tick in range(11) for ordinal in range(3)]
        assert [tick for tick, _ in turns] == sorted(tick for tick, _ in turns)

    def test_a_pause_waits_for_the_tick_under_way_and_then_holds(self, world: Any) -> None:
        Zone.objects.update(due_tick=999)
        release, taken = Flag(), Flag()

        def slow_advance() -> None:
            with transaction.atomic():
                turn = clock.take_turn()
                assert turn is not None
                taken.set()
                assert release.wait(30)
                clock.go_on(turn)

        with threads() as started:
            moving = started.start(slow_advance)
            assert taken.wait(30)
            pausing = started.start(worlds.pause, world.pk)
            wait_for_lock()
            release.set()
            moving.result(30)
            assert pausing.result(30).target_tick == 1
        assert not advance()


SLOW_ZONES = """
CREATE SCHEMA slow;
CREATE FUNCTION slow.wait() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN PERFORM pg_advisory_lock_shared(7, 7); PERFORM pg_advisory_unlock_shared(7, 7); RETURN true; END $$;
CREATE VIEW slow.pac_zones AS SELECT * FROM public.pac_zones WHERE slow.wait() OFFSET 0; -- before any other condition
"""


# --- Between two ticks ---------------------------------------------------------------------------------------


def taken(world: Any) -> clock.Turn:
    found = clock.take_turn(world.pk)
    assert found is not None
    return found


def climate(world: Any) -> list[tuple[float, float, bool]]:
    return list(world.zones.order_by("ordinal").values_list("entropy", "thermal", "diffusing"))


def test_climates_mix_over_the_ways_from_the_values_of_the_tick(world: Any) -> None:
    Zone.objects.update(due_tick=999, entropy=0.2, thermal=0.0)
    world.zones.filter(ordinal=0).update(entropy=0.8, thermal=-0.6, diffusing=True)
    Neighbour.objects.filter(zone__ordinal=0, other__ordinal=2).update(permeability=1.0)
    with transaction.atomic():
        clock.spread_climate(taken(world))
    assert climate(world) == [
        (pytest.approx(0.8 - 0.03 - 0.06), pytest.approx(-0.6 + 0.03 + 0.06), False),
        (pytest.approx(0.23), pytest.approx(-0.03), False),
        (pytest.approx(0.26), pytest.approx(-0.06), False),
    ]


def test_a_world_at_rest_is_not_written_to(world: Any) -> None:
    Zone.objects.update(due_tick=999)
    stamps = set(world.zones.values_list("pk", "entropy", "updated_at"))
    with transaction.atomic():
        clock.spread_climate(taken(world))
    assert set(world.zones.values_list("pk", "entropy", "updated_at")) == stamps


def test_a_zone_without_ways_calms_down_by_itself(world: Any) -> None:
    Neighbour.objects.all().delete()
    Zone.objects.update(due_tick=999, diffusing=True, entropy=0.9)
    with transaction.atomic():
        clock.spread_climate(taken(world))
    assert climate(world) == [(0.9, 0.0, False)] * 3


def test_other_worlds_keep_their_climate(world: Any) -> None:
    other = make_world("Other", zones=2, agents=0)
    Zone.objects.update(due_tick=999, diffusing=True)
    other.zones.filter(ordinal=0).update(entropy=0.9)
    before = climate(other)
    with transaction.atomic():
        clock.spread_climate(taken(world))
    assert climate(other) == before


def test_who_leaves_is_noted_once_and_taken_out_in_order(world: Any) -> None:
    Zone.objects.update(due_tick=999)
    a, b, c = world.zones.order_by("ordinal").values_list("pk", flat=True)
    agents = [new_id() for _ in range(3)]
    late, early = Crosser(agents[0], 9, a, b), Crosser(agents[1], 2, b, c)
    clock.depart([late, early])
    clock.depart([Crosser(agents[0], 9, a, c)])
    World.objects.filter(pk=world.pk).update(tick=1)
    clock.depart([Crosser(agents[2], 1, a, c)])
    World.objects.filter(pk=world.pk).update(tick=0)
    assert str(Crossing.objects.get(pk=agents[1])) == f"{agents[1]} → {c}"
    with transaction.atomic():
        on_the_way, _ = clock.lock_touched(taken(world))
        assert clock.take_crossings(on_the_way) == [early, late]
        assert clock.take_crossings(on_the_way) == []
    assert list(Crossing.objects.values_list("agent_id", flat=True)) == [agents[2]], "it leaves a tick later"


def test_a_crossing_can_be_called_off(world: Any) -> None:
    a, b, _ = world.zones.order_by("ordinal").values_list("pk", flat=True)
    agents = [new_id() for _ in range(2)]
    clock.depart([Crosser(agent, n, a, b) for n, agent in enumerate(agents)])
    clock.cancel_crossings(agents[:1])
    assert list(Crossing.objects.values_list("agent_id", flat=True)) == agents[1:]


def test_what_moves_change_is_settled(world: Any) -> None:
    a, b, c = world.zones.order_by("ordinal").values_list("pk", flat=True)
    Zone.objects.update(due_tick=50, agent_count=5)
    old = [pack(Happening(n, "old", str(n))) for n in range(KEPT_HAPPENINGS - 1)]
    Zone.objects.filter(pk=b).update(happenings=old)
    came = [Happening(60, "arrival", "Bo came."), Happening(60, "arrival", "Cy came.")]
    with transaction.atomic():
        places.lock_many([a, b])
        clock.settle([Settled(a, count=-2), Settled(b, count=2, due_tick=7, happenings=came)])
    rows = {zone.pk: zone for zone in Zone.objects.all()}
    assert [rows[pk].agent_count for pk in (a, b, c)] == [3, 7, 5]
    assert [rows[pk].due_tick for pk in (a, b, c)] == [50, 7, 50]
    assert rows[a].happenings == []
    assert rows[b].happenings == [*old[1:], *map(pack, came)], "of more than are kept the oldest go"


def test_few_happenings_all_stay(world: Any) -> None:
    (a, *_) = world.zones.order_by("ordinal").values_list("pk", flat=True)
    came = [Happening(60, "arrival", "Bo came.")]
    clock.settle([Settled(a, happenings=came)])
    assert Zone.objects.get(pk=a).happenings == [pack(came[0])]


def test_saving_without_news_keeps_the_happenings(world: Any) -> None:
    (a, *_) = world.zones.order_by("ordinal").values_list("pk", flat=True)
    stored = [pack(Happening(1, "old", "Once."))]
    Zone.objects.filter(pk=a).update(happenings=stored)
    with transaction.atomic():
        state: ZoneState | None = clock.lock(a)
        assert state is not None
        clock.save([(state, 3)])
    assert Zone.objects.get(pk=a).happenings == stored

"""Other people's broken behaviours, reasoners and tools never stop a world."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest
from django.db import connection

from agents import behaviours, reasoners
from agents.behaviours import Behaviour
from agents.engine import loop, turn
from agents.facts import Decision, Facts, Outcome
from agents.models import Agent, TickLog
from agents.reasoners.rules import RulesReasoner
from domains import sql
from domains.chance import Chance
from domains.thunderflow.actions import NewEvent
from tests.integration.agents.living import allow, check_counts, events, finish, live, logs, make_world, people, person
from tests.threads import at_once
from zones import environment
from zones.actions import clock
from zones.events import ZoneChanged, zone_stream, zone_topic
from zones.models import World

pytestmark = pytest.mark.django_db

FINE = Outcome(("{name} did.",), "Did.", activity="doing")


@pytest.fixture
def behaviour(request: pytest.FixtureRequest) -> Callable[..., str]:
    """An action that only those with the capability `odd` take, and they each time."""

    def register(act: Any = lambda *_: FINE, **how: Any) -> str:
        name = how.pop("name", "odd_thing")
        behaviours.register(Behaviour(name, 0, act, "who knows", bias=1000, **{"capability": "odd", **how}))
        request.addfinalizer(lambda: behaviours.unregister(name))
        return name

    return register


@pytest.fixture
def reasoner(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], str]]:
    made = []

    def register(decide: Callable[[Sequence[Facts]], Any]) -> str:
        class Odd:
            kind = "odd"

            def decide(self, batch: Sequence[Facts]) -> Any:
                return decide(batch)

        reasoners.register(Odd())
        made.append("odd")
        return "odd"

    yield register
    for kind in made:
        reasoners.unregister(kind)


def household() -> tuple[World, Any, list[Agent], Agent]:
    """A world of five ordinary people and an odd one in their middle."""
    world, (zone,) = make_world()
    ordinary = people(zone, 3)
    odd = person(zone, "Odd", capabilities=["odd"])
    return world, zone, ordinary + people(zone, 2, first=10), odd


def check_the_others(world: World, ordinary: list[Agent], ticks: int) -> None:
    """They ticked each time, and nothing is amiss in their logs."""
    for agent in ordinary:
        found = logs(agent)
        assert [log.world_tick for log in found] == list(range(1, ticks + 1))
        assert [log.error for log in found] == [None] * ticks
    check_counts(world)


# --- Behaviours ----------------------------------------------------------------------------------------------


def raises(*_: Any) -> Any:
    raise RuntimeError("not my day")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (raises, "odd_thing: RuntimeError: not my day"),
        (lambda *_: None, "odd_thing: TypeError: None is not an outcome with a story"),
        (lambda *_: Outcome(("x",), "y", mood=float("nan")), "a change that is not a finite number"),
        (lambda *_: Outcome(("x",), "y", goal=(3, 0.5)), "there is no goal 3"),
    ],
)
def test_what_a_behaviour_does_wrong_is_in_its_log(behaviour: Any, act: Any, error: str) -> None:
    behaviour(act)
    world, zone, ordinary, odd = household()
    live(world, 3)
    check_the_others(world, ordinary, 3)
    found = logs(odd)
    assert [log.world_tick for log in found] == [1, 2, 3]
    for log in found:
        assert error in (log.error or "")
        assert log.decision["failed"]
        assert log.narrative.startswith("Odd ")
    assert not events(zone.pk, "tick_failed")


def test_a_prerequisite_that_raises_is_a_no(behaviour: Any) -> None:
    """It is asked of everybody, so raising in it must not be felt by anybody."""
    behaviour(prerequisite=raises, capability=None)
    world, _, ordinary, odd = household()
    live(world, 2)
    check_the_others(world, [*ordinary, odd], 2)
    assert "odd_thing" not in {log.action for log in logs(world)}


def test_arguments_that_raise_are_told(behaviour: Any) -> None:
    behaviour(arguments=raises)
    world, _, ordinary, odd = household()
    live(world, 2)
    check_the_others(world, ordinary, 2)
    assert [log.error for log in logs(odd)] == ["odd_thing: RuntimeError: not my day"] * 2


def test_a_behaviour_that_vanishes(behaviour: Any, request: pytest.FixtureRequest) -> None:
    """Decided by a kind of reasoner that still knows it."""
    world, (zone,) = make_world()
    person(zone, "Odd")
    reasoners.register(type("Old", (), {"kind": "old", "decide": lambda _, batch: [Decision("gone") for _ in batch]})())
    request.addfinalizer(lambda: reasoners.unregister("old"))
    Agent.objects.update(reasoner="old")
    live(world)
    (log,) = logs(world)
    assert (log.error, log.action) == ("there is no action 'gone'", "gone")


# --- Ticks that break the transaction ------------------------------------------------------------------------


def breaks_sql(*_: Any) -> Outcome:
    """Leaves the transaction unusable, and says nothing of it."""
    with sql.raw().cursor() as cursor:
        try:
            cursor.execute("SELECT 1/0")
        except psycopg.Error:
            return FINE
    raise AssertionError


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (breaks_sql, "InFailedSqlTransaction"),
        (lambda *_: Outcome(("x",), "y", activity="too long " * 50), "value too long"),
        (lambda *_: Outcome(("x",), "a\0b", importance=0.9), "NUL"),
        (lambda *_: Outcome(("x",), "y", importance=7.0), "importance"),
        (lambda *_: Outcome(("{what}",), "y", slots={"what": 5}), "TypeError"),  # type: ignore[dict-item]
        (lambda *_: Outcome(("x",), "y", focus="\ud800"), ""),
    ],
)
def test_a_tick_that_cannot_be_stored_is_put_off_alone(behaviour: Any, act: Any, error: str) -> None:
    behaviour(act)
    world, zone, ordinary, odd = household()
    live(world, 3)
    check_the_others(world, ordinary, 3)
    odd.refresh_from_db()
    assert (odd.tick_number, odd.due_tick, logs(odd)) == (0, 4, [])
    failed = events(zone.pk, "tick_failed")
    assert [event.payload["world_tick"] for event in failed] == [1, 2, 3]
    assert {event.payload["agent_id"] for event in failed} == {str(odd.pk)}
    assert all(error in event.payload["error"] and len(event.payload["error"]) <= 500 for event in failed)


def test_what_a_failed_tick_did_to_the_zone_is_undone(behaviour: Any) -> None:
    def eats_and_breaks(facts: Facts, *_: Any) -> Outcome:
        facts.zone.take("materials", 50.0)
        return breaks_sql()

    behaviour(eats_and_breaks)
    world, (zone,) = make_world({"materials": 60.0})
    person(zone, "Odd", capabilities=["odd"])
    live(world)
    zone.refresh_from_db()
    assert zone.materials == 60.0
    assert not events(zone.pk, "resource_changed")


def test_an_agent_recovers_when_its_behaviour_does(behaviour: Any) -> None:
    broken = [True]
    behaviour(lambda *_: breaks_sql() if broken[0] else FINE)
    world, _, ordinary, odd = household()
    live(world, 2)
    broken[0] = False
    live(world, 2)
    assert [(log.tick_number, log.world_tick) for log in logs(odd)] == [(1, 3), (2, 4)]
    check_the_others(world, ordinary, 4)


def test_many_broken_ones_among_many(behaviour: Any) -> None:
    behaviour(breaks_sql)
    world, (zone,) = make_world({"capacity": 100})
    good = people(zone, 30)
    odd = people(zone, 10, first=100, capabilities=["odd"])
    live(world, 2)
    check_the_others(world, good, 2)
    assert len(events(zone.pk, "tick_failed")) == 20
    assert not TickLog.objects.filter(agent_id__in=[a.pk for a in odd]).exists()


@pytest.mark.django_db(transaction=True)
def test_the_innocent_are_never_put_off_however_many_workers_meet_the_failure(behaviour: Any) -> None:
    """Once each worker that met it put off whoever was due next, in whatever zone it could lock."""
    behaviour(breaks_sql)
    world, zones = make_world(*({} for _ in range(3)))
    good = [a for n, zone in enumerate(zones) for a in people(zone, 4, first=10 * n)]
    odd = person(zones[0], "Odd", capabilities=["odd"])
    more = people(zones[0], 4, first=100)
    World.objects.filter(pk=world.pk).update(target_tick=12)

    def work() -> None:
        while clock.anything_to_do(world.pk):
            loop.run(seconds=0.5, world_id=world.pk)

    at_once(work, work, work, work)
    world.refresh_from_db()
    check_the_others(world, good + more, 12)
    failed = [event for zone in zones for event in events(zone.pk, "tick_failed")]
    assert [event.payload["world_tick"] for event in failed] == list(range(1, 13))
    assert {event.payload["agent_id"] for event in failed} == {str(odd.pk)}


def test_a_failure_is_felt_in_its_own_zone_only(behaviour: Any) -> None:
    """A turn over several zones is done again zone by zone: only where it fails again, agent by agent."""
    behaviour(breaks_sql)
    world, zones = make_world(*({"environment_interval": 1} for _ in range(3)))
    good = [a for n, zone in enumerate(zones) for a in people(zone, 3, first=10 * n)]
    odd = person(zones[1], "Odd", capabilities=["odd"])
    allow(world, 1)
    loop._step(loop.Stint(), world.pk)
    with pytest.raises(turn.TurnFailed) as failed:
        turn.take(world.pk, zones=3)
    done = turn.redo(failed.value)
    assert (done.zones, done.ticks) == (3, 9)
    assert turn.redo(failed.value).ticks == 0
    live(world, 0)
    assert [len(events(zone.pk, "tick_failed")) for zone in zones] == [0, 1, 0]
    assert [len(events(zone.pk, "environment_tick")) for zone in zones] == [1, 1, 1]
    check_the_others(world, good, 1)
    assert not logs(odd)


def test_a_chunk_is_redone_only_at_its_own_tick(behaviour: Any) -> None:
    """Who comes late to a failure that another worker dealt with finds nothing to do."""
    behaviour(breaks_sql)
    world, zone, ordinary, _ = household()
    allow(world, 1)
    loop._step(loop.Stint(), world.pk)
    with pytest.raises(turn.TurnFailed) as failed:
        turn.take(world.pk)
    assert turn.redo(failed.value).ticks == 5
    assert turn.redo(failed.value).ticks == 0
    live(world, 1)
    assert turn.redo(failed.value).ticks == 0
    check_the_others(world, ordinary, 2)
    assert len(events(zone.pk, "tick_failed")) == 2


@pytest.mark.django_db(transaction=True)
def test_nobody_is_put_off_when_the_database_goes_away(behaviour: Any) -> None:
    """The stint ends; the next wake-up finds everything as it was. Raw SQL raises psycopg's own kind of error."""
    away = [True]

    def cuts_the_line(*_: Any) -> Outcome:
        if away.pop():
            with pytest.raises(psycopg.OperationalError):
                sql.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            away.append(False)
        away.append(False)
        return FINE

    behaviour(cuts_the_line)
    world, zone, ordinary, odd = household()
    allow(world, 1)
    with pytest.raises(psycopg.OperationalError):
        loop.run(seconds=5, world_id=world.pk)
    connection.close()
    assert not logs(world)
    assert not events(zone.pk, "tick_failed")
    finish(world)
    check_the_others(world, [*ordinary, odd], 1)


def test_nor_when_it_goes_away_while_a_chunk_is_redone(behaviour: Any) -> None:
    class Away(Mapping[str, str]):
        def keys(self) -> Any:
            raise psycopg.OperationalError("away")

        __getitem__ = __iter__ = __len__ = raises

    calls: list[int] = []

    def fails_then_is_cut_off(*_: Any) -> Outcome:
        calls.append(1)
        return breaks_sql() if len(calls) == 1 else Outcome(("x",), "y", slots=Away())

    behaviour(fails_then_is_cut_off)
    world, zone, _, _ = household()
    allow(world, 1)
    with pytest.raises(psycopg.OperationalError, match="away"):
        loop.run(seconds=5, world_id=world.pk)
    assert len(calls) == 2
    assert not logs(world)
    assert not events(zone.pk, "tick_failed")


def test_a_zone_whose_environment_fails_stops_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment tick is put off and told; agents and the clock go on."""

    def storm(_zone: Any) -> str:
        raise LookupError("no weather today")

    monkeypatch.setattr(environment, "step", storm)
    world, (zone,) = make_world({"environment_interval": 2})
    person(zone, "Calm")
    allow(world, 4)
    loop.run(seconds=20, world_id=world.pk)
    world.refresh_from_db()
    assert world.tick == 4
    told = events(zone.pk, "environment_failed")
    assert told
    assert "no weather today" in told[0].payload["error"]
    assert not events(zone.pk, "tick_failed")


# --- Reasoners -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decide", "error"),
    [
        (raises, "odd: RuntimeError: not my day; the rules decided"),
        (lambda _batch: [], "odd: ValueError: 0 decisions for 1 agents; the rules decided"),
        (lambda batch: [None for _ in batch], "None is not a decision; the rules decided"),
        (lambda batch: [Decision(5) for _ in batch], "is not a decision"),  # type: ignore[arg-type]
        (lambda batch: [Decision("rest", confidence=float("nan")) for _ in batch], "a confidence of nan"),
        (lambda batch: [Decision("rest", confidence="high") for _ in batch], "TypeError"),  # type: ignore[arg-type]
        (lambda batch: "nonsense"[: len(batch)], "is not a decision"),
    ],
)
def test_where_a_reasoner_fails_the_rules_decide(reasoner: Any, decide: Any, error: str) -> None:
    kind = reasoner(decide)
    world, _, ordinary, odd = household()
    Agent.objects.filter(pk=odd.pk).update(reasoner=kind)
    live(world, 2)
    check_the_others(world, ordinary, 2)
    for log in logs(odd):
        assert error in (log.error or "")
        assert log.action in {b.name for b in behaviours.all_behaviours()}
        assert not log.decision["failed"]


def test_an_action_that_does_not_exist_makes_one_stumble(reasoner: Any) -> None:
    kind = reasoner(lambda batch: [Decision("teleport") for _ in batch])
    world, _, ordinary, odd = household()
    Agent.objects.filter(pk=odd.pk).update(reasoner=kind)
    live(world)
    check_the_others(world, ordinary, 1)
    (log,) = logs(odd)
    assert (log.action, log.error, log.decision["failed"]) == ("teleport", "there is no action 'teleport'", True)


def test_a_kind_that_does_not_exist() -> None:
    world, _, ordinary, odd = household()
    Agent.objects.filter(pk=odd.pk).update(reasoner="oracle")
    live(world)
    check_the_others(world, ordinary, 1)
    assert logs(odd)[0].error == "there is no reasoner of kind 'oracle'; the rules decided"


def test_an_error_that_a_reasoner_tells_of_is_kept(reasoner: Any) -> None:
    kind = reasoner(lambda batch: [Decision("reflect", error="the model was silent") for _ in batch])
    world, _, _, odd = household()
    Agent.objects.filter(pk=odd.pk).update(reasoner=kind)
    live(world)
    assert (logs(odd)[0].error, logs(odd)[0].action) == ("the model was silent", "reflect")


def test_without_the_rules_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RulesReasoner, "decide", raises)
    world, zone, _, _ = household()
    live(world)
    assert not logs(world)
    assert len(events(zone.pk, "tick_failed")) == 6


def test_a_system_without_the_rules_says_so() -> None:
    rules = reasoners.get("rules")
    assert rules
    reasoners.unregister("rules")
    try:
        world, zone, _, _ = household()
        live(world)
    finally:
        reasoners.register(rules)
    assert {e.payload["error"] for e in events(zone.pk, "tick_failed")} == {
        "LookupError: the rules reasoner is not loaded"
    }


def test_a_behaviour_may_publish_with_its_tick(behaviour: Any) -> None:
    def tells(facts: Facts, _decision: Decision, _chance: Chance) -> Outcome:
        payload = ZoneChanged(name=facts.zone.name, what="painted")
        event = NewEvent(zone_stream(facts.zone.id), zone_topic(facts.zone.id, "changed"), payload)
        return Outcome(("{name} painted.",), "Painted.", events=(event,))

    behaviour(tells)
    world, zone, _, _ = household()
    live(world)
    painted = [event for event in events(zone.pk, "changed") if event.payload["what"] == "painted"]
    assert [event.actor for event in painted] == ["agent:Odd"]

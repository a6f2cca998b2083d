"""One zone's turn: chunks, queries, what a tick leaves behind."""

import json
import os
import re
import subprocess
import sys
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg import Connection

from agents.engine import barrier, chunk, loop, rows, turn
from agents.models import Agent, TickLog
from agents.perceive import Bystander, perceive
from domains import sql
from tests.conftest import CountQueries
from tests.integration.agents.living import allow, check_counts, events, live, logs, make_world, people, person
from zones.actions import clock
from zones.models import World, Zone

pytestmark = pytest.mark.django_db

TICKED = {
    "energy", "creativity", "focus", "social", "exploration", "mood", "activity", "current_focus", "goals",
    "working_memory", "recent_actions", "x", "y", "z", "tick_number", "last_tick", "due_tick", "mail", "updated_at",
}  # fmt: skip


# --- Chunks --------------------------------------------------------------------------------------------------


def test_a_large_zone_takes_several_transactions() -> None:
    world, (zone,) = make_world({"capacity": 500, "environment_interval": 1})
    people(zone, 450)
    allow(world, 1)
    loop.run(seconds=0, world_id=world.pk)  # no time, nothing done
    assert not logs(world)
    loop._step(loop.Stint(), world.pk)  # the clock goes to 1
    chunks = []
    while done := turn.take(world.pk):
        chunks.append(done.ticks)
        zone.refresh_from_db()
        assert (zone.due_tick <= 1) == (len(chunks) < 3)
    assert chunks == [200, 200, 50]
    assert len(events(zone.pk, "environment_tick")) == 1
    assert Agent.objects.filter(world=world, tick_number=1, last_tick=1, due_tick=2).count() == 450
    ordinals = dict(Agent.objects.values_list("pk", "ordinal"))
    told = [ordinals[UUID(event.payload["agent_id"])] for event in events(zone.pk, "agent_ticked")]
    assert told == list(range(450))


def test_a_full_chunk_finishes_its_zone() -> None:
    """200 of 200: one more is looked for, so that it is seen that nobody else is due."""
    world, (zone,) = make_world({"capacity": 300, "environment_interval": 1})
    people(zone, 200)
    stint = live(world)
    assert (stint.ticks, stint.turns, stint.advances) == (200, 1, 1)
    assert len(events(zone.pk, "environment_tick")) == 1


def test_the_chunk_size_is_a_setting(settings: object) -> None:
    settings.CHUNK_SIZE = 7  # type: ignore[attr-defined]
    world, (zone,) = make_world()
    people(zone, 20)
    assert live(world).turns == 3


def test_ten_thousand_in_one_place() -> None:
    world, (zone,) = make_world({"capacity": 10_000})
    people(zone, 10_000)
    stint = live(world)
    assert (stint.ticks, stint.turns) == (10_000, 50)
    assert TickLog.objects.filter(zone_id=zone.pk).count() == 10_000
    assert Agent.objects.filter(world=world).exclude(tick_number=1).count() == 0
    assert {event.seq for event in events(zone.pk)} == set(range(1, len(events(zone.pk)) + 1))
    check_counts(world)


# --- Several zones at once -------------------------------------------------------------------------------------


def take_at_first_tick(world: World, zones: int) -> list[tuple[int, int]]:
    """(zones, ticks) of each turn of the first tick, when turns take up to so many zones."""
    allow(world, 1)
    assert barrier.advance(world.pk)
    found = []
    while done := turn.take(world.pk, zones=zones):
        found.append((done.zones, done.ticks))
    return found


def test_a_turn_takes_zones_that_fit_together() -> None:
    world, zones = make_world(*({"capacity": 200} for _ in range(5)))
    for n, zone in enumerate(zones[:4]):
        people(zone, [120, 90, 120, 30][n], first=200 * n)
    turns = take_at_first_tick(world, 5)
    assert sum(n for n, _ in turns) == 5
    assert sum(ticks for _, ticks in turns) == 360
    assert len(turns) == 2
    assert all(ticks <= 250 for _, ticks in turns)
    check_counts(world)


def test_a_zone_that_must_be_cut_is_cut_alone() -> None:
    """Where it is cut is part of its history and must not depend on company."""
    world, (small, large) = make_world({"capacity": 300}, {"capacity": 300})
    people(small, 10)
    people(large, 230, first=100)
    assert sorted(take_at_first_tick(world, 2)) in ([(1, 10), (1, 30), (1, 200)], [(1, 200), (2, 40)])
    logged = sql.fetch_rows("SELECT world_tick, count(*) FROM tick_logs WHERE zone_id = %s GROUP BY 1", [large.pk])
    assert logged == [(1, 230)]


def test_zones_of_several_worlds_go_together() -> None:
    worlds = [make_world({}, name=name) for name in ("One", "Two")]
    for n, (world, (zone,)) in enumerate(worlds):
        people(zone, 3)
        live(world, n)
        allow(world, 1)
        assert barrier.advance(world.pk)
    done = turn.take(zones=4)
    assert done
    assert (done.zones, done.ticks) == (2, 6)
    for n, (world, _) in enumerate(worlds):
        assert {log.world_tick for log in logs(world)} == set(range(1, n + 2))
        check_counts(world)


def test_a_stint_takes_as_many_zones_as_fill_a_turn() -> None:
    world, zones = make_world(*({} for _ in range(12)))
    for n, zone in enumerate(zones):
        people(zone, 2, first=10 * n)
    stint = live(world, 3)
    assert stint.ticks == 72
    assert stint.turns < 10
    check_counts(world)


# --- Queries -------------------------------------------------------------------------------------------------


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is spoken to, which would make it due sooner, and nobody comes to an insight."""
    monkeypatch.setattr("agents.behaviours.socialize.SPOKEN", 0.0)
    monkeypatch.setattr("agents.insights.ENOUGH", 100.0)


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("modded", [False, True])
def test_a_turn_costs_the_same_few_statements_for_ten_and_for_many(modded: bool, count_queries: CountQueries) -> None:
    mods = [{"name": "hat", "kind": "skill", "effects": {"trait_modifiers": {"openness": 0.1}}}] if modded else []
    counts = []
    for n in (10, 150):
        world, (zone,) = make_world({"capacity": 200}, name=f"World {n}")
        people(zone, n, mods=mods)
        live(world, 2)
        allow(world, 1)
        assert barrier.advance(world.pk)
        with count_queries() as statements:
            done = turn.take(world.pk)
        assert done
        assert done.ticks == n
        counts.append(len(statements))
    # claim, agents, (mods,) memories, agents back, zone back, counters of streams; and COPYs that are not counted.
    # Few memories are one INSERT; many are one look at what is known (and one UPDATE, when there are such).
    assert counts == ([7, 7] if modded else [6, 6])


def test_the_orm_takes_no_part_in_a_turn() -> None:
    world, (zone,) = make_world()
    people(zone, 10)
    live(world)
    allow(world, 1)
    assert barrier.advance(world.pk)
    with CaptureQueriesContext(connection) as seen:
        assert turn.take(world.pk)
    assert all("SAVEPOINT" in query["sql"] for query in seen.captured_queries)


# --- Storage -------------------------------------------------------------------------------------------------


def test_no_index_holds_what_a_tick_changes() -> None:
    """Or updates are no longer HOT: each would write to every index."""
    found = sql.fetch_rows(
        """SELECT i.indexrelid::regclass::text, a.attname FROM pg_index i
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
           WHERE i.indrelid = 'pac_agents'::regclass"""
    )
    assert len(found) >= 3
    assert not [(index, column) for index, column in found if column in TICKED]
    expressions = sql.fetch_rows(
        """SELECT coalesce(pg_get_expr(indexprs, indrelid), '') || ' ' || coalesce(pg_get_expr(indpred, indrelid), '')
           FROM pg_index WHERE indrelid = 'pac_agents'::regclass"""
    )
    assert not [text for (text,) in expressions if TICKED & set(re.findall(r"\w+", text))]


def test_the_list_of_what_a_tick_changes_is_complete() -> None:
    assigned = set(re.findall(r"(\w+) = ", rows.UPDATE.split("SET")[1].split("FROM")[0]))
    assert assigned | {"z"} == TICKED


def test_updates_of_agents_are_hot() -> None:
    """On a server of its own: a transaction that writes anywhere on a server, be it in another database, keeps
    PostgreSQL from clearing pages of what the last tick left."""
    words = ["-m", "thunderline.embedded", "run", "--fast", sys.executable, "-m", "tests.integration.agents.hot"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TEST_")}
    done = subprocess.run([sys.executable, *words], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["updates"] == 300 * 40 + figures["mail"]  # each tick one, and one for who is spoken to meanwhile
    assert figures["mail"] > 0
    assert figures["hot"] / figures["updates"] >= 0.95, figures


# --- What a tick leaves behind -------------------------------------------------------------------------------


def test_a_tick_log_is_complete() -> None:
    world, (zone,) = make_world()
    mara = person(zone, goals=[{"name": "mend the bridge"}])
    live(world, 5)
    mara.refresh_from_db()
    found = logs(mara)
    assert [log.tick_number for log in found] == [log.world_tick for log in found] == [1, 2, 3, 4, 5]
    for log in found:
        assert log.zone_id == zone.pk
        assert log.processing_time > 0
        assert 0 < log.confidence <= 1
        assert len(log.state_hash) == 16
        assert log.action in log.reasoning
        assert log.narrative
        assert log.decision.keys() == {"arguments", "expected", "alternatives", "band", "failed"}
        assert log.decision["expected"]
        assert log.action in log.decision["alternatives"] or len(log.decision["alternatives"]) == 4
        assert log.review == {"verdict": "allow", "reason": ""}
        assert log.stage_ms.keys() == {"perceive", "decide", "review", "apply", "remember", "narrate", "record"}
        assert log.error is log.usage is None
        assert log.inserted_at.tzinfo
    energy = 80 + sum(log.stat_changes.get("energy", 0) for log in found)
    assert energy == pytest.approx(mara.energy, abs=0.05)


def test_each_tick_is_told_once_with_what_it_came_to() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    live(world, 3)
    told = events(zone.pk, "agent_ticked")
    for event, log in zip(told, logs(mara), strict=True):
        payload = event.payload
        assert (payload["tick_number"], payload["action"]) == (log.tick_number, log.action)
        assert payload["narrative"] == log.narrative
        assert payload["state_hash"] == bytes(log.state_hash).hex()
    mara.refresh_from_db()
    last = told[-1].payload
    assert (last["energy"], last["mood"], last["x"], last["activity"]) == (
        mara.energy,
        mara.mood,
        mara.x,
        mara.activity,
    )


@pytest.mark.usefixtures("silence")
def test_first_ticks_are_spread_over_the_interval() -> None:
    world, (zone,) = make_world()
    people(zone, 12, interval=4)
    live(world, 8)
    per_tick = [TickLog.objects.filter(world_tick=k, zone_id=zone.pk).count() for k in range(1, 9)]
    assert per_tick == [3] * 8


def test_only_active_agents_tick() -> None:
    world, (zone,) = make_world()
    five = people(zone, 5)
    for agent, state in zip(five[1:], ("seed", "dormant", "suspended", "archived"), strict=True):
        Agent.objects.filter(pk=agent.pk).update(lifecycle=state)
    live(world, 2)
    assert {log.agent_id for log in logs(world)} == {five[0].pk}


def test_what_a_zone_needs_is_written_once() -> None:
    world, (zone,) = make_world({"food": 50.0, "environment_interval": 3})
    people(zone, 30)
    live(world, 6)
    zone.refresh_from_db()
    changes = events(zone.pk, "resource_changed")
    assert changes
    assert changes[-1].payload["new_resources"] == zone.resources
    food = 50.0 + sum(event.payload["changes"].get("food", 0) for event in changes)
    assert food == pytest.approx(zone.food, abs=0.01)
    assert [event.payload["tick"] for event in events(zone.pk, "environment_tick")] == [3, 6]
    assert zone.environment_due == 9


def test_an_empty_zone_has_its_weather() -> None:
    world, (zone,) = make_world({"environment_interval": 2})
    assert live(world, 4).ticks == 0
    assert [event.payload["tick"] for event in events(zone.pk)[1:] if "environment" in event.topic] == [2, 4]


def test_somebody_else_s_tick_is_not_written_over() -> None:
    """The update is guarded by the tick number; all of it is refused."""
    world, (zone,) = make_world()
    one, two = people(zone, 2)
    states = rows.read_due([(zone.pk, 1_000)], 10)[zone.pk].due
    assert len(states) == 2
    Agent.objects.filter(pk=two.pk).update(tick_number=1)
    for state in states:
        state.tick_number += 1
    with pytest.raises(rows.Conflict, match="1 of 2 agents had changed"):
        rows.write_agents(states)
    assert one.world_id == world.pk


def test_a_world_that_is_done_has_nothing_to_do() -> None:
    world, (zone,) = make_world()
    people(zone, 1)
    live(world)
    stint = loop.run(seconds=5, world_id=world.pk)
    assert (stint.ticks, stint.turns, stint.advances, stint.exhausted) == (0, 0, 0, False)


def test_a_stint_without_time_says_so() -> None:
    world, (zone,) = make_world()
    people(zone, 1)
    allow(world, 1_000_000)
    assert loop.run(seconds=0.05, world_id=world.pk).exhausted
    assert World.objects.get(pk=world.pk).tick > 0
    assert Zone.objects.get(pk=zone.pk).agent_count == 1


def test_any_world_may_be_taken_when_none_is_named() -> None:
    for n in range(2):
        world, (zone,) = make_world(name=f"World {n}")
        people(zone, 2)
        allow(world, 3)
    assert loop.run(seconds=30).ticks == 12
    assert isinstance(sql.raw(), Connection)


def test_who_is_near_is_the_same_however_many_look() -> None:
    _, (zone,) = make_world()
    ids = [agent.pk for agent in people(zone, 40)]
    state = clock.look({zone.pk})[0]
    everybody = rows.read_many([(agent_id, zone.pk) for agent_id in ids])[zone.pk]
    roster = [Bystander(a.ordinal, a.name, a.x, a.y) for a in everybody]
    wanted = {f.me.id: f.near for f in perceive(everybody, state, roster, {})}
    assert any(wanted.values())
    for few in (everybody[:1], everybody[37:], everybody[5 : 5 + rows.FEW], everybody[: rows.FEW + 1]):
        facts, _ = chunk.look([chunk.Visit(state, few, finish=False)], only=True)
        assert {f.me.id: f.near for f in facts} == {agent.id: wanted[agent.id] for agent in few}

"""Agents at the blackboard: what they put is there from the next world tick on, in an order of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from agents import actions
from agents.board import name_of, writer
from agents.engine import barrier
from agents.models import Agent, BoardWrite, TickLog
from agents.specs import AgentSpec
from domains import tools
from domains.thunderflow import queries as flow
from domains.thunderflow.blackboard import actions as blackboard
from domains.thunderflow.blackboard import queries as board
from domains.tools import Caller, ToolError
from tests.integration.agents import history
from tests.integration.agents.living import (
    TRAITS,
    allow,
    events,
    live,
    logs,
    make_world,
    people,
    person,
    tick_open,
)  # fmt: skip
from tests.integration.agents.test_agent_tools import keen
from tests.integration.agents.test_determinism import Crew
from zones.models import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def puts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Says what agents put from now on."""
    from agents import tools as agent_tools

    def say(function: Any) -> None:
        monkeypatch.setitem(agent_tools._suggestions, "blackboard_put", function)

    return say


def test_what_is_put_is_there_from_the_next_tick_on() -> None:
    world, (zone,) = make_world(name="Old Town")
    mara = person(zone, mods=keen("write_blackboard"))
    tick_open(world)
    waiting = BoardWrite.objects.get()
    assert (waiting.author, waiting.tick, waiting.ordinal) == ("agent:Mara", 1, mara.ordinal)
    assert board.query("**") == []
    assert barrier.advance(world.pk)
    assert not BoardWrite.objects.exists()
    (entry,) = board.query("old-town.**")
    (log,) = logs(mara)
    wanted = log.decision["arguments"]["arguments"]
    assert entry.key == wanted["key"]
    assert entry.key.startswith("old-town.zone-0.")
    assert entry.value == wanted["value"]
    assert (entry.author, entry.version) == ("agent:Mara@Old Town", 1)
    assert f"Mara wrote on the board, under {entry.key}: “{entry.value['text']}”" in log.narrative
    told = flow.read_stream("blackboard:old-town", after=0)
    assert [(e.topic, e.actor) for e in told] == [(f"blackboard.{entry.key}", "agent:Mara@Old Town")]
    assert board.namespace("old-town") == board.Namespace("old-town", "agent:Mara@Old Town", "everybody")


def test_what_lies_there_is_read() -> None:
    world, (zone,) = make_world(name="Old Town")
    blackboard.put_many(
        [blackboard.Put(f"old-town.zone-0.{topic}", {"text": "Bread at noon."})
         for topic in ("stores", "weather", "company", "plans")],
        by="user:ada",
    )  # fmt: skip
    reader = person(zone, "Reader", mods=keen("read_blackboard"))
    live(world, 8)
    used = {log.decision["arguments"]["tool"] for log in logs(reader)}
    assert used == {"blackboard_get", "blackboard_query"}
    assert all("Bread at noon." in log.narrative for log in logs(reader))
    assert not [log.error for log in logs(reader) if log.error]
    assert "Read on the board: Bread at noon. (ada)" in [m[1] for m in Agent.objects.get(pk=reader.pk).working_memory]


def test_an_empty_board_is_no_mishap() -> None:
    world, (zone,) = make_world()
    reader = person(zone, "Reader", mods=keen("read_blackboard"))
    live(world, 8)
    stories = " ".join(log.narrative for log in logs(reader))
    assert "there was nothing of the kind" in stories
    assert "nobody had written it" in stories
    assert not [log.error for log in logs(reader) if log.error]


def test_of_two_at_one_tick_the_later_by_ordinal_stays(puts: Any) -> None:
    puts(lambda facts, _: {"key": "world.x", "value": facts.me.name})
    world, zones = make_world({}, {})
    for place, name in ((1, "Ada"), (0, "Ben"), (1, "Cato"), (0, "Dora")):
        person(zones[place], name, mods=keen("write_blackboard"))
    live(world, 2)
    told = [e.payload["value"] for e in flow.read_stream("blackboard:world", after=0)]
    assert told == ["Ada", "Ben", "Cato", "Dora"]
    entry = board.get("world.x")
    assert entry
    assert entry.value == "Dora"


def test_what_is_refused_at_the_end_of_the_tick_is_told(puts: Any) -> None:
    puts(lambda facts, _: {"key": "world.x", "value": facts.tick, "expect": 0})
    world, (zone,) = make_world()
    one, two = person(zone, "Ada", mods=keen("write_blackboard")), person(zone, "Ben", mods=keen("write_blackboard"))
    blackboard.set_namespace("closed", by="user:ada", writers="owner")
    live(world, 2)
    told = events(zone.pk, "board_refused")
    assert [(e.topic, e.actor, e.payload["key"], e.payload["code"]) for e in told] == [
        (f"agent.{two.pk}.board_refused", "agent:Ben", "world.x", "version_conflict")
    ]
    puts(lambda *_: {"key": "closed.x", "value": 1})
    live(world, 1)
    live(world, 1)
    assert {e.payload["code"] for e in events(zone.pk, "board_refused")[-2:]} == {"access_denied"}
    assert not [log.error for log in logs(one) if log.error]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"key": "a..b", "value": 1}, "'a..b': a key is lower-case words"),
        ({"key": "a.b", "value": "x" * 70_000}, "a value has at most 65,536 bytes"),
        ({"key": "a.b", "value": "\0"}, "a NUL character"),
        ({"key": "a.b", "value": 1, "ttl_s": 5}, "time in seconds is not an agent's"),
        ({"key": "a.b"}, "value: Field required"),
        ({"key": "a.b", "value": 1, "expect": 2**63}, "expect: Input should be less than or equal to"),
        ({"key": "a.b", "value": json.loads("[" * 253 + "]" * 253)}, "the value is not JSON"),
    ],
)
def test_what_cannot_be_put_makes_one_stumble_alone(puts: Any, arguments: dict[str, Any], error: str) -> None:
    puts(lambda *_: arguments)
    world, (zone,) = make_world()
    odd, other = person(zone, "Odd", mods=keen("write_blackboard")), person(zone, "Other")
    live(world, 2)
    assert all(error in log.error for log in logs(odd))
    assert len(logs(other)) == 2
    assert not BoardWrite.objects.exists()
    assert board.query("**") == []


def test_agents_of_one_name_in_two_worlds_are_two(puts: Any) -> None:
    puts(lambda *_: {"key": "vault.x", "value": "mine"})
    first, (zone,) = make_world(name="One")
    person(zone, "Mara", mods=keen("write_blackboard"))
    live(first, 2)
    blackboard.set_namespace("vault", by="agent:Mara@One", writers="owner")
    puts(lambda *_: {"key": "vault.x", "value": "stolen"})
    second, (other,) = make_world(name="Two")
    person(other, "Mara", mods=keen("write_blackboard"))
    live(second, 2)
    entry = board.get("vault.x")
    assert entry and entry.value == "mine"
    assert {e.payload["code"] for e in events(other.pk, "board_refused")} == {"access_denied"}


def test_a_name_says_who_and_where_and_stories_say_only_who() -> None:
    assert writer("agent:Mara", "Old Town") == "agent:Mara@Old Town"
    assert writer("agent:a@b", "c") != writer("agent:a", "b@c")
    assert writer("agent:a%40b", "c") != writer("agent:a@b", "c")
    names = ["agent:Mara@Old Town", writer("agent:a@b%", "c@d"), "user:ada@example.com", "operator"]
    assert [name_of(name) for name in names] == ["Mara", "a@b%", "ada@example.com", "operator"]


def test_the_longest_names_can_write(puts: Any) -> None:
    puts(lambda *_: {"key": "world.x", "value": 1})
    world, (zone,) = make_world(name="w" * 100)
    person(zone, "@" * 100, mods=keen("write_blackboard"))
    live(world, 2)
    entry = board.get("world.x")
    assert entry and entry.author == f"agent:{'%40' * 100}@{'w' * 100}"


def test_people_put_at_once() -> None:
    caller = Caller("user:ada", frozenset({"read_blackboard", "write_blackboard"}))
    put = tools.get("blackboard_put").call({"key": "town.x", "value": 1, "ttl_s": 60}, caller)
    assert put.model_dump() == {"key": "town.x", "value": 1, "version": 1}
    assert caller.wishes == []
    got = tools.get("blackboard_get").call({"key": "town.x"}, caller).model_dump()
    assert got["entry"] == {"key": "town.x", "value": 1, "version": 1, "author": "user:ada"}
    found = tools.get("blackboard_query").call({"pattern": "**.x"}, caller).model_dump()
    assert found == {"pattern": "**.x", "entries": [got["entry"]]}
    assert tools.get("blackboard_get").call({"key": "town.y"}, caller).model_dump() == {"key": "town.y", "entry": None}


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("blackboard_put", {"key": "town.x", "value": 2, "expect": 0}, "version_conflict"),
        ("blackboard_put", {"key": "Town", "value": 2}, "bad_key"),
        ("blackboard_get", {"key": "*"}, "bad_key"),
        ("blackboard_query", {"pattern": "a*"}, "bad_pattern"),
        ("blackboard_query", {"pattern": "a\0b"}, "bad_pattern"),
        ("blackboard_put", {"key": "town.x", "value": 1, "expect": 2**63}, "invalid_arguments"),
        ("blackboard_query", {"pattern": "**", "limit": 101}, "invalid_arguments"),
    ],
)
def test_people_are_told_why_not(name: str, arguments: dict[str, Any], code: str) -> None:
    blackboard.put("town.x", 1, by="user:ada")
    with pytest.raises(ToolError) as refused:
        tools.get(name).call(arguments, Caller("user:ben", frozenset({"read_blackboard", "write_blackboard"})))
    assert refused.value.code == code
    with pytest.raises(ToolError, match="needs the capability"):
        tools.get(name).call(arguments, Caller("user:ben"))


def test_a_tick_where_nobody_writes_asks_the_board_nothing(count_queries: Any) -> None:
    world, (zone,) = make_world()
    people(zone, 5)
    live(world, 3)
    with count_queries() as statements:
        live(world, 1)
    about = [text for text in statements if "board" in text.lower()]
    assert len(about) == 1
    assert "agent_messages" in about[0]  # the barrier's one look at what is on the way


def test_however_many_write_it_costs_the_same(count_queries: Any, puts: Any) -> None:
    puts(lambda facts, _: {"key": f"world.x{facts.me.ordinal}", "value": 1})
    world, (zone,) = make_world()
    people(zone, 2, mods=keen("write_blackboard"))
    live(world, 2)
    costs = []
    for more in (0, 60):
        if more:
            people(zone, more, first=10, mods=keen("write_blackboard"))
            live(world, 2)
        with count_queries() as statements:
            allow(world, 1)
            assert barrier.advance(world.pk)
        costs.append(len(statements))
        tick_open_rest(world)
    assert costs[0] == costs[1]


def tick_open_rest(world: World) -> None:
    from tests.integration.agents.living import finish

    finish(world)


def test_a_world_that_begins_anew_forgets_what_was_about_to_be_put() -> None:
    world, (zone,) = make_world()
    person(zone, mods=keen("write_blackboard"))
    tick_open(world)
    assert BoardWrite.objects.count() == 1
    actions.delete_all(world.pk)
    assert not BoardWrite.objects.exists()


def test_the_demo_world_s_keeper_writes_and_others_read() -> None:
    from thunderline import demo

    demo.ensure()
    world = World.objects.get()
    World.objects.filter(pk=world.pk).update(status="paused")
    live(world, 250)
    entries = board.query("lantern-ebb.**")
    assert len(entries) >= 3
    assert {entry.author for entry in entries} <= {f"agent:Ottoline Vane@{world.name}"}
    used = [(log.decision["arguments"]["tool"], log) for log in TickLog.objects.filter(action="use_tool")]
    on_board = [log for tool, log in used if tool.startswith("blackboard")]
    assert not [log.error for log in on_board if log.error]
    assert sum("wrote on the board" in log.narrative for log in on_board) >= 3
    assert [log for log in on_board if "read on the board" in log.narrative]


# --- The same world, whoever ticks it ----------------------------------------------------------------------------

TICKS, PEOPLE = 60, 20


def world_of_writers() -> World:
    world, zones = make_world(
        *({"name": f"Place {i}", "capacity": 8} for i in range(4)), name="Twin", seed=99,
        ways=[(0, 1, 0.9), (1, 2, 0.5), (2, 3, 1.0), (3, 0, 0.7)],
    )  # fmt: skip
    mods = [
        {"name": "chalk", "kind": "tool", "effects": {
            "tool_access": ["write_blackboard", "read_blackboard"],
            "action_weights": {"use_tool": 2.0, "move_zone": 0.7}}},
    ]  # fmt: skip
    wanted = []
    for i in range(PEOPLE):
        traits = {trait: (i * (37 + 11 * n) % 101) / 100 for n, trait in enumerate(TRAITS)}
        spec = {"name": f"Agent {i}", "traits": traits, "tick_interval": 1 + i % 3, "mods": mods}
        wanted.append((zones[i % 4].pk, AgentSpec.model_validate(spec)))
    actions.create_many(wanted, world_id=world.pk, by="test")
    return world


def told() -> list[Any]:
    """What was said of the board, without versions and instants."""
    found = flow.read_stream("blackboard:twin", after=0, limit=1_000_000)
    return [(e.topic, e.actor, e.payload["change"], e.payload["value"]) for e in found]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_worlds_with_writers_are_equal_whatever_the_number_of_workers() -> None:
    one = world_of_writers()
    live(one, TICKS)
    alone, alone_told, lying = history.of(one), told(), [(e.key, e.value) for e in board.query("twin.**")]
    World.objects.filter(pk=one.pk).update(name="First")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM blackboard_entries; DELETE FROM blackboard_namespaces")
    before = len(alone_told)

    four = world_of_writers()
    allow(four, TICKS)
    crew = Crew(four, [(60.0, 0.0), (0.02, 0.05), (0.1, 0.0), (0.005, 0.02)])
    try:
        crew.kill(2)
        crew.wait()
    finally:
        crew.end()
    four.refresh_from_db()
    together = history.of(four)
    for part in alone:
        assert together[part] == alone[part], part
    assert told()[before:] == alone_told
    assert [(e.key, e.value) for e in board.query("twin.**")] == lying
    assert before > TICKS
    read = [row for row in alone["ticks"] if "read on the board" in row[6]]
    assert len(read) > 20

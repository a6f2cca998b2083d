"""An agent moves to another world with all it is and was, or not at all."""

import hashlib
import io
import json
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from agents import actions
from agents.errors import Invalid, NotFound
from agents.models import Agent, Message, Mod, TickLog
from agents.transfer import command, exporting, importing
from agents.transfer.format import BadAgentFile
from domains import sql
from domains.ids import new_id
from memory import queries as memory
from memory.actions import NewMemory
from memory.actions import store_many as store
from memory.graph import actions as graph
from memory.graph import facts
from memory.graph.facts import NewFact
from memory.graph.names import Name
from memory.models import MemoryEdge, MemoryEntity, MemoryFact, MemoryNode
from memory.recall.signatures import pack
from memory.texts import digest
from tests.integration.agents.living import check_counts, events, live, logs, make_world, people, person
from tests.tables import commits  # noqa: F401
from zones.errors import ZoneFull
from zones.models import World, Zone

pytestmark = pytest.mark.django_db

HOSTILE = "'; DROP TABLE pac_agents;-- {zone} %s \\u0000 “🦊”  \x01\t\r\n"


@pytest.fixture
def mara() -> Agent:
    """Somebody with a past: mods in force and gone, memories with ties, words heard and said."""
    world, (zone, _) = make_world({"entropy": 0.9, "environment_interval": 2}, {}, name="Harbour", ways=[(0, 1, 1.0)])
    people(zone, 3)
    agent = person(
        zone,
        description=HOSTILE,
        goals=[{"name": "mend the bridge"}],
        capabilities=["fly"],
        model="gpt-nine",
        temperature=0.2,
        max_tokens=77,
        system_prompt=HOSTILE,
        movement_range=3.5,
        mods=[
            {"name": "cloak", "kind": "skill", "effects": {"stat_modifiers": {"focus": 20}}},
            {"name": "song", "kind": "behavior", "duration": 4},
            {"name": "bell", "kind": "tool", "effects": {"action_weights": {"reflect": 2.0}}, "duration": 100},
        ],
    )
    live(world, 12)
    store([NewMemory(agent.pk, f"Fact {n} about bread.", "semantic", n / 20, n / 10 - 1) for n in range(12)])
    actions.send(agent.pk, "How are you, Mara?", by="user:ada")
    live(world, 8)
    actions.send(agent.pk, HOSTILE, by="user:ada")
    actions.send(agent.pk, "Are you there?", by="user:ben")
    first, second, third = MemoryNode.objects.filter(agent=agent).order_by("id")[:3]
    for source, target, relation in ((first, third, "causal"), (second, first, "temporal"), (first, third, "spatial")):
        MemoryEdge.objects.create(source=source, target=target, relation=relation, strength=0.25)
    odd = {"content": HOSTILE, "summary": "s", "tags": ["a", {"b": 1}], "importance": 0.123456789}
    MemoryNode.objects.filter(pk=first.pk).update(access_count=3, valid_to=timezone.now(), **odd)
    return Agent.objects.get(pk=agent.pk)


@pytest.fixture
def there() -> Zone:
    """Where to: in another world, whose clock stands elsewhere."""
    world, (zone,) = make_world({"name": "Quay", "capacity": 3}, name="Island", seed=9)
    person(zone, "Ida")
    live(world, 5)
    return Zone.objects.get(pk=zone.pk)


def written(agent: Agent) -> bytes:
    out = io.BytesIO()
    exporting.export(agent.pk, out, now=timezone.now())
    return out.getvalue()


def bring(data: bytes, zone: Zone, name: str | None = None) -> Agent:
    found = importing.bring(
        io.BytesIO(data), world_id=zone.world_id, zone_id=zone.pk, by="user:ada", now=timezone.now(), name=name
    )
    return Agent.objects.get(pk=found.agent.pk)


def lines(data: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in data.splitlines()]


def sealed(found: list[Any]) -> bytes:
    """A file of these lines with a checksum that fits."""
    body = b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in found)
    trailer = {"checksum": hashlib.sha256(body).hexdigest(), "lines": body.count(b"\n")}
    return body + orjson.dumps(trailer) + b"\n"


def changed(data: bytes, tag: str, **fields: Any) -> bytes:
    """The file with other values in its first line of a sort; sealed anew."""
    found = lines(data)[:-1]
    line = next(line for line in found if tag in line)
    (line if tag == "thunderline_agent" else line[tag]).update(fields)
    return sealed(found)


def everything() -> list[Any]:
    """What an import must not have touched when it is refused."""
    memory = "memory_nodes", "memory_edges", "memory_entities", "memory_facts"
    tables = "pac_agents", "pac_mods", *memory, "tick_logs", "agent_messages", "events"
    counts = [sql.fetch_rows(f"SELECT count(*) FROM {table}") for table in tables]
    return [counts, list(Zone.objects.order_by("pk").values()), list(World.objects.order_by("pk").values())]


# --- There and back ------------------------------------------------------------------------------------------


def test_all_that_an_agent_is_and_was_moves(mara: Agent, there: Zone) -> None:
    moved = bring(written(mara), there)
    same = [
        field.attname
        for field in Agent._meta.concrete_fields
        if field.attname
        not in ("id", "world_id", "zone_id", "home_zone_id", "ordinal", "inserted_at", "updated_at", "last_tick",
                "due_tick", "working_memory")
    ]  # fmt: skip
    assert [getattr(moved, name) for name in same] == [getattr(mara, name) for name in same]
    assert moved.mail == 2
    assert (moved.zone_id, moved.home_zone_id, moved.world_id) == (there.pk, there.pk, there.world_id)
    assert (moved.last_tick, moved.due_tick) == (5, 6)
    assert moved.working_memory == [[tick - 15, *rest] for tick, *rest in mara.working_memory]
    assert len(moved.working_memory) > 2
    check_counts(moved.world)


def test_memories_move_in_their_order_and_are_found(mara: Agent, there: Zone) -> None:
    moved = bring(written(mara), there)
    before, after = (list(MemoryNode.objects.filter(agent=a).order_by("id")) for a in (mara, moved))
    names = [f.attname for f in MemoryNode._meta.concrete_fields]
    names = [n for n in names if n not in ("id", "agent_id", "embedding", "content_hash", "signature", "updated_at")]
    assert [bytes(m.content_hash) for m in after] == [digest(m.content) for m in after]
    assert [bytes(m.signature) for m in after] == [pack(m.content) for m in after]
    assert [[getattr(m, n) for n in names] for m in after] == [[getattr(m, n) for n in names] for m in before]
    assert len(after) > 10
    assert all(m.pk.version == 7 for m in after)
    assert not {m.pk for m in before} & {m.pk for m in after}
    question = before[5].content
    asked = [(mara.pk, question), (moved.pk, question)]
    nearest = [[(f.content, round(f.score, 5)) for f in found] for found in memory.nearest_many(asked, limit=5)]
    assert nearest[0] == nearest[1]
    assert [found[0].content for found in memory.search_many(asked, limit=5)] == [question] * 2
    assert [m.content for m in memory.latest(moved.pk)] == [m.content for m in memory.latest(mara.pk)]


def test_ties_between_memories_move(mara: Agent, there: Zone) -> None:
    def ties(agent: Agent) -> list[Any]:
        number = {m: i for i, m in enumerate(MemoryNode.objects.filter(agent=agent).order_by("id"))}
        found = MemoryEdge.objects.filter(source__agent=agent)
        return sorted((number[e.source], number[e.target], e.relation, e.strength, e.inserted_at) for e in found)

    moved = bring(written(mara), there)
    told = [tie[:3] for tie in ties(moved) if tie[3] == 0.25]
    assert told == [(0, 2, "causal"), (0, 2, "spatial"), (1, 0, "temporal")]
    assert len(ties(moved)) > len(told)  # of its insights to what they rest upon
    assert ties(moved) == ties(mara)


def test_who_is_named_and_what_is_known_moves(mara: Agent, there: Zone) -> None:
    def known(agent: Agent) -> list[Any]:
        number = {m: i for i, m in enumerate(MemoryNode.objects.filter(agent=agent).order_by("id"))}
        entities = MemoryEntity.objects.filter(agent=agent).order_by("id").prefetch_related("aliases")
        held = MemoryFact.objects.filter(agent=agent).order_by("valid_from", "value")
        named = [
            (
                e.name,
                e.kind,
                sorted(a.alias for a in e.aliases.all()),
                sorted(number[m.memory] for m in e.mentions.all()),
            )
            for e in entities
        ]
        learned = [
            (f.subject_key, f.relation_key, f.value, f.memory and number[f.memory], f.valid_from, f.valid_to)
            for f in held
        ]
        return [named, learned]

    first, second = MemoryNode.objects.filter(agent=mara).order_by("id")[:2]
    may = datetime(2026, 5, 1, tzinfo=UTC)
    with transaction.atomic():
        ann = Name("Ann Lee", "person")
        graph.name({first.pk: [ann, Name("York", "place")], second.pk: [ann]})
        york = NewFact(mara.pk, "Ann Lee", "lives in", "York", first.pk, may)
        leeds = NewFact(mara.pk, "Ann Lee", "lives in", "Leeds", None, may + timedelta(days=1))
        facts.learn([york, leeds], now=may)
    moved = bring(written(mara), there)
    assert known(moved) == known(mara)
    assert [len(part) for part in known(moved)] == [2, 2]
    assert known(moved)[1][0][3:] == (0, may, may + timedelta(days=1))


@pytest.mark.parametrize(
    ("tag", "fields", "problem"),
    [
        ("entity", {"memories": [99]}, "not in the file"),
        ("entity", {"memories": [2, 1]}, "in their order"),
        ("entity", {"aliases": ["ann lee", "ann lee"]}, "one entity only"),
        ("entity", {"name": ""}, "name"),
        ("entity", {"kind": "ghost"}, "kind"),
        ("fact", {"memory": 99}, "not in the file"),
        ("fact", {"valid_to": None}, "two facts hold at once"),
        ("fact", {"subject": "  "}, "white space"),
        ("fact", {"valid_to": "2020-01-01T00:00:00+00:00"}, "before it begins"),
    ],
)
def test_what_is_wrong_with_what_is_known_is_refused(
    mara: Agent, there: Zone, tag: str, fields: dict[str, Any], problem: str
) -> None:
    first = MemoryNode.objects.filter(agent=mara).order_by("id")[0]
    may = datetime(2026, 5, 1, tzinfo=UTC)
    with transaction.atomic():
        graph.name({first.pk: [Name("Ann Lee", "person")]})
        glad = NewFact(mara.pk, "Ann", "is", "glad", first.pk, may)
        sad = NewFact(mara.pk, "ann", "is", "sad", None, may + timedelta(days=1))
        facts.learn([glad, sad], now=may)
    data = written(mara)
    before = everything()
    with pytest.raises(BadAgentFile, match=problem):
        bring(changed(data, tag, **fields), there)
    assert everything() == before


def test_history_moves_and_goes_on(mara: Agent, there: Zone) -> None:
    moved = bring(written(mara), there)
    before, after = logs(mara), logs(moved)
    same = [f.attname for f in TickLog._meta.concrete_fields]
    same = [name for name in same if name not in ("id", "agent_id", "zone_id", "memories")]
    assert [[getattr(log, n) for n in same] for log in after] == [[getattr(log, n) for n in same] for log in before]
    assert len(after) == 20
    places = [{str(pk): n for n, pk in enumerate(ids)} for ids in map(memory_ids, (mara, moved))]
    assert [[places[1][m] for m in log.memories] for log in after] == [
        [places[0][m] for m in log.memories] for log in before
    ]
    assert sum(len(log.memories) for log in after) > 3
    live(World.objects.get(pk=there.world_id), 3)
    fresh = [log for log in logs(moved) if log.tick_number > mara.tick_number]
    assert [(log.tick_number, log.world_tick) for log in fresh] == [(21, 6), (22, 7), (23, 8)]
    assert not any(log.error for log in fresh)


def memory_ids(agent: Agent) -> list[Any]:
    return list(MemoryNode.objects.filter(agent=agent).order_by("id").values_list("pk", flat=True))


def test_mods_go_on_for_what_is_left_of_them(mara: Agent, there: Zone) -> None:
    moved = bring(written(mara), there)
    mods = {mod.name: mod for mod in Mod.objects.filter(agent=moved)}
    was = {mod.name: mod for mod in Mod.objects.filter(agent=mara)}
    assert {name: mod.active for name, mod in mods.items()} == {"cloak": True, "song": False, "bell": True}
    assert moved.mod_count == 2
    assert mods["cloak"].expires_tick is None
    assert mods["bell"].expires_tick == 5 + (was["bell"].expires_tick - 20)
    assert mods["bell"].applied_tick == 5 - 20 + was["bell"].applied_tick
    assert mods["cloak"].effects == {"stat_modifiers": {"focus": 20.0}}


def test_a_mod_acts_in_the_new_world_and_ends_there(there: Zone) -> None:
    world, (zone,) = make_world({"environment_interval": 1000}, name="Harbour")
    weights = {"effects": {"action_weights": {"reflect": 90.0}}}
    mara = person(zone, mods=[{"name": "m", "kind": "behavior", "duration": 9, **weights}])
    live(world, 6)
    moved = bring(written(mara), there)
    live(World.objects.get(pk=there.world_id), 4)
    fresh = [log.action for log in logs(moved) if log.tick_number > 6]
    assert fresh[:3] == ["reflect"] * 3
    assert not Mod.objects.get(agent=moved).active


def test_messages_move_with_the_other_one_as_words(mara: Agent, there: Zone) -> None:
    moved = bring(written(mara), there)
    before, after = heard_and_said(mara), heard_and_said(moved)
    assert [(m.sender, m.to, m.text, m.inserted_at, m.turn) for m in after] == [
        (m.sender, m.to, m.text, m.inserted_at, m.turn) for m in before
    ]
    assert {m.sender_agent_id for m in after} | {m.recipient_id for m in after} <= {None, moved.pk}
    waiting = [m for m in after if m.status == "waiting"]
    assert [(m.sender, m.sent_tick, m.arrived_tick) for m in waiting] == [("user:ada", 5, 5), ("user:ben", 5, 5)]
    question = next(m for m in after if m.text.startswith("How are you"))
    answer = Message.objects.get(reply_to=question)
    assert (question.status, answer.status, answer.to) == ("answered", "read", "user:ada")
    assert answer.conversation == question.conversation
    assert question.conversation != next(m for m in before if m.text == question.text).conversation
    live(World.objects.get(pk=there.world_id), 1)
    moved.refresh_from_db()
    assert moved.mail == 0
    assert {m.status for m in heard_and_said(moved) if m.pk in {w.pk for w in waiting}} <= {"answered", "read"}


def heard_and_said(agent: Agent) -> list[Message]:
    found = Message.objects.filter(recipient=agent) | Message.objects.filter(sender_agent=agent)
    return list(found.order_by("number"))


def test_what_is_on_its_way_arrives_with_the_agent(mara: Agent, there: Zone) -> None:
    other = Agent.objects.get(name="Agent 0")
    said = {"world": mara.world, "to": "x", "sent_tick": 20, "inserted_at": timezone.now(), "status": "sent"}
    Message.objects.create(sender="agent:Agent 0", sender_agent=other, recipient=mara, text="hey", **said)
    Message.objects.create(sender="agent:Mara", sender_agent=mara, recipient=other, text="ho", **said)
    moved = bring(written(mara), there)
    assert moved.mail == 3
    found = {m.text: (m.status, m.sender_agent_id, m.recipient_id) for m in heard_and_said(moved)}
    assert (found["hey"], found["ho"]) == (("waiting", None, moved.pk), ("read", moved.pk, None))
    live(World.objects.get(pk=there.world_id), 2)
    moved.refresh_from_db()
    assert moved.mail == 0


def test_written_again_it_is_the_same_file(mara: Agent, there: Zone) -> None:
    first = written(mara)
    again = written(bring(first, there))
    header, *rest = lines(first)[:-1]
    other, *others = lines(again)[:-1]
    assert others == rest
    assert other["counts"] == header["counts"]
    assert {"world", "world_tick", "exported_at"} == {name for name in header if header[name] != other[name]}
    back, home = mara.zone, Zone.objects.get(name="Zone 1")
    assert lines(written(bring(again, home, name="Mara II")))[2:-1] == rest[1:]
    assert back.pk == Agent.objects.get(pk=mara.pk).zone_id


def test_no_id_of_the_old_instance_is_in_the_file(mara: Agent) -> None:
    data = written(mara).decode()
    ids = [mara.pk, mara.world_id, mara.zone_id, *memory_ids(mara)]
    ids += Message.objects.filter(recipient=mara).values_list("conversation", flat=True)
    assert not [pk for pk in ids if str(pk) in data]


def test_keys_stay_where_they_are(mara: Agent) -> None:
    from agents.models import Endpoint

    Endpoint.objects.create(name="e", base_url="http://localhost:1", api_key="sk-hush-hush", model="gpt-nine")
    data = written(mara)
    assert b"gpt-nine" in data
    assert b"sk-hush-hush" not in data
    assert b"localhost:1" not in data


@pytest.mark.parametrize("lifecycle", ["active", "suspended", "dormant", "archived"])
def test_it_arrives_in_the_state_that_it_was_in(lifecycle: str, there: Zone) -> None:
    _, (zone,) = make_world(name="Harbour")
    mara = person(zone)
    if lifecycle == "suspended":
        actions.suspend([mara.pk], by="t")
    elif lifecycle != "active":
        actions.archive([mara.pk], by="t")
    if lifecycle == "dormant":
        actions.unarchive([mara.pk], by="t")
    count = there.agent_count
    moved = bring(written(mara), there)
    assert moved.lifecycle == lifecycle
    check_counts(moved.world)
    there.refresh_from_db()
    assert there.agent_count == count + (lifecycle != "archived")
    told = [e for e in events(there.pk) if e.payload.get("name") == "Mara"]
    entered = [] if lifecycle == "archived" else [("agent_entered", None)]
    assert [(e.topic.rpartition(".")[2], e.payload.get("what")) for e in told] == [*entered, ("changed", "imported")]
    live(moved.world, 2)
    moved.refresh_from_db()
    assert moved.tick_number == (2 if lifecycle == "active" else 0)


def test_an_agent_without_a_past_moves(there: Zone) -> None:
    _, (zone,) = make_world(name="Harbour")
    data = written(person(zone))
    assert len(lines(data)) == 3
    assert bring(data, there).tick_number == 0


def test_kinds_that_are_not_known_there_move_all_the_same(mara: Agent, there: Zone) -> None:
    data = changed(written(mara), "agent", reasoner="oracle")
    data = changed(data, "tick", action="levitate")
    moved = bring(data, there)
    live(World.objects.get(pk=there.world_id), 1)
    assert logs(moved)[0].action == "levitate"
    assert "no reasoner of kind 'oracle'" in logs(moved, tick_number=21)[0].error


def test_old_days_get_their_leaves(mara: Agent, there: Zone) -> None:
    long_ago = datetime(2003, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    found = lines(written(mara))[:-1]
    for n, line in enumerate(line for line in found if "tick" in line):
        line["tick"]["inserted_at"] = (long_ago + timedelta(days=n // 5)).isoformat()
    moved = bring(sealed(found), there)
    assert logs(moved)[0].inserted_at == long_ago
    made = sql.fetch_rows("SELECT relname FROM pg_class WHERE relname ~ '^tick_logs_2003[0-9]{4}$' ORDER BY 1")
    assert made == [("tick_logs_20030228",), ("tick_logs_20030301",), ("tick_logs_20030302",), ("tick_logs_20030303",)]


# --- Refusals ------------------------------------------------------------------------------------------------


def refused(data: bytes, zone: Zone, message: str, error: type[Exception] = BadAgentFile, **options: Any) -> None:
    before = everything()
    with pytest.raises(error, match=message):
        bring(data, zone, **options)
    assert everything() == before


def test_any_changed_byte_is_noticed(mara: Agent, there: Zone) -> None:
    data = written(mara)
    before = everything()
    for place in range(0, len(data), len(data) // 150):
        tampered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BadAgentFile):
            bring(tampered, there)
    assert everything() == before


def test_a_file_that_was_cut_off_is_noticed(mara: Agent, there: Zone) -> None:
    data = written(mara)
    cuts = [0, 1, len(data) // 2, len(data) - 2, len(data) - 1, data.rindex(b"\n", 0, -1) + 1]
    for cut in cuts:
        refused(data[:cut], there, "empty" if not cut else "cut off")


@pytest.mark.parametrize(
    ("tag", "fields", "message"),
    [
        ("thunderline_agent", {"thunderline_agent": 2}, "line 1: it is of version 2, and this Thunderline reads"),
        ("thunderline_agent", {"shoe_size": 42}, r"line 1.shoe_size: there is no such field"),
        ("thunderline_agent", {"counts": {"ticks": 5}}, "it should hold 0 mods by its first line, and holds 3"),
        ("agent", {"shoe_size": 42}, r"line 2: agent.shoe_size: there is no such field \(it is 42\)"),
        ("agent", {"name": ""}, "agent.name"),
        ("agent", {"name": "x" * 101}, "agent.name: String should have at most 100 characters"),
        ("agent", {"description": "a\0b"}, "NUL"),
        ("agent", {"mood": 1.5}, "agent.mood: it should be less than or equal to 1"),
        ("agent", {"energy": 1e308}, "agent.energy"),
        ("agent", {"tick_number": 2**63}, "agent.tick_number"),
        ("agent", {"tick_number": 19}, "the agent has ticked 19 times only"),
        ("agent", {"tick_number": "20"}, "agent.tick_number: it should be a valid integer"),
        ("agent", {"working_memory": [[1, "x"]]}, "agent.working_memory"),
        ("agent", {"lifecycle": "undead"}, "agent.lifecycle"),
        ("mod", {"effects": {"stat_modifiers": {"luck": 1}}}, "mod.effects"),
        ("mod", {"remaining": -(10**9)}, "a mod ends after it was put on"),
        ("memory", {"content": ""}, "memory.content"),
        ("memory", {"content": "x" * 10_001}, "memory.content"),
        ("memory", {"importance": -0.1}, "memory.importance"),
        ("memory", {"tags": [["a\0"]]}, "NUL"),
        ("memory", {"source": {"\0": 1}}, "NUL"),
        ("memory", {"inserted_at": "2026-01-01T00:00:00"}, "memory.inserted_at: it must be an instant"),
        ("memory", {"inserted_at": 5}, "memory.inserted_at"),
        ("memory", {"inserted_at": "0001-01-01T00:00:00+14:00"}, "years"),
        ("memory", {"access_count": 2**31}, "memory.access_count"),
        ("edge", {"target": 10_000}, "edge: it ties a memory that is not in the file"),
        ("edge", {"target": 1, "source": 1}, "no tie to itself"),
        ("edge", {"source": 0}, "edge.source"),
        ("edge", {"source": 3, "target": 1}, "in the order of source, target and relation, each once"),
        ("tick", {"memories": [10_000]}, "tick: it formed a memory that is not in the file"),
        ("tick", {"tick_number": 2}, "in the order of tick_number, each once"),
        ("tick", {"state_hash": "xyz"}, "tick.state_hash"),
        ("tick", {"decision": 5}, "tick.decision"),
        ("tick", {"inserted_at": "2999-01-01T00:00:00+00:00"}, "yet to come"),
        ("message", {"reply_to": 10_000}, "message: it replies to a later one"),
        ("message", {"conversation": 10_000}, "its conversation begins later"),
        ("message", {"text": "x" * 4001}, "message.text"),
        ("message", {"status": "sent"}, "message.status"),
        ("message", {"heard": True, "status": "waiting"}, "what waits has no sent_tick"),
        ("message", {"heard": False, "status": "answered"}, "what the agent said is read"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(
    tag: str, fields: dict[str, Any], message: str, mara: Agent, there: Zone
) -> None:
    refused(changed(written(mara), tag, **fields), there, message)


def test_hostile_lines_are_refused(mara: Agent, there: Zone) -> None:
    header, agent, *rest = lines(written(mara))[:-1]
    mind = orjson.dumps(agent)
    for line, message in [
        (mind.replace(b'"mood":', b'"mood":NaN,"x_":') + b"\n", "line 2: it is not JSON"),
        (mind.replace(b'"description":"', b'"description":"\\ud800') + b"\n", "line 2: it is not JSON"),
        (b'{"agent":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "line 2: it is not JSON"),
        (b'{"agent":' + b"[" * 500 + b"]" * 500 + b"}\n", "line 2: agent: it is nested too deeply"),
        (b'{"agent":"' + b"x" * 10_000_000 + b'"}\n', "line 2: it is longer than"),
        (b"\xff\xfe\n", "line 2: it is not JSON"),
        (b"[]\n", "line 2: it must be an object"),
        (b"{}\n", "line 2: it must hold one of agent, mod"),
        (b'{"ghost":{}}\n', "line 2: it must hold one of agent, mod"),
    ]:
        refused(sealed([header, line, *rest]), there, message)


def test_lines_stand_in_their_order(mara: Agent, there: Zone) -> None:
    header, agent, *rest = lines(written(mara))[:-1]
    refused(sealed([header, *rest]), there, "line 2: mod: there is one agent, and it comes first")
    refused(sealed([header, agent, agent, *rest]), there, "line 3: agent: there is one agent")
    refused(sealed([agent, *rest]), there, "line 1: this is no agent file")
    refused(sealed([header]), there, "there is no agent in it")
    refused(sealed([header, agent, *rest[1:], rest[0]]), there, "mod: it comes after message; the order is agent, mod")
    refused(sealed([header, agent, rest[0], *rest]), there, "is in force twice")
    early = sealed([header, agent, *rest])
    refused(sealed([early, *lines(early)[-1:]]), there, "something comes after the checksum")


def test_two_answers_to_one_message_are_refused_by_the_database(mara: Agent, there: Zone) -> None:
    found = lines(written(mara))[:-1]
    answer = next(line for line in found if "message" in line and line["message"]["reply_to"])
    found[0]["counts"]["messages"] += 1
    refused(sealed([*found, answer]), there, "the file breaks agent_messages_reply_to_id", error=Invalid)


def test_history_of_too_many_days_is_refused(mara: Agent, there: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.transfer.reading.MOST_DAYS", 0)
    refused(written(mara), there, "ticks of more than 0 days")


def test_a_file_that_changes_while_it_is_read_is_noticed(
    mara: Agent, there: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the writing: all that was written is taken back."""
    data = written(mara)
    file = io.BytesIO(data)
    place = data.rindex(b'"narrative":"') + 14
    births = importing._birth

    def birth(*args: Any) -> Agent:
        file.getbuffer()[place] = ord("#")
        return births(*args)

    monkeypatch.setattr(importing, "_birth", birth)
    before = everything()
    with pytest.raises(BadAgentFile, match="changed while it was read"):
        importing.bring(file, world_id=there.world_id, zone_id=there.pk, by="t", now=timezone.now())
    assert everything() == before


def test_a_taken_name_is_refused_and_another_one_helps(mara: Agent, there: Zone) -> None:
    data = written(mara)
    bring(data, there)
    refused(data, there, "name: Mara is taken in this world; --name gives another one", error=Invalid)
    refused(data, there, "--name.name", error=Invalid, name="x" * 101)
    refused(data, there, "--name.name", error=Invalid, name=" ")
    refused(data, there, "--name", error=Invalid, name="a\0b")
    refused(data, there, "--name", error=Invalid, name="\ud800")
    assert bring(data, there, name=" Mara II ").name == "Mara II"


def test_a_name_that_is_taken_meanwhile_is_refused(mara: Agent, there: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_check_welcome", lambda *_: None)
    data = written(mara)
    bring(data, there)
    refused(data, there, "name: Mara is taken", error=Invalid)


def test_a_place_where_nobody_may_come_is_refused(mara: Agent, there: Zone) -> None:
    data = written(mara)
    for fields, message, error in [
        ({"capacity": 1}, "Quay is full: it has place for 1", ZoneFull),
        ({"closed": True}, "Mara cannot come into Quay: it is closed", Invalid),
        ({"spawning": False}, "Mara cannot come into Quay: nobody may be born there", Invalid),
    ]:
        with transaction.atomic():
            Zone.objects.filter(pk=there.pk).update(**fields)
            refused(data, there, message, error=error)
            transaction.set_rollback(True)
    with pytest.raises(Invalid, match="another world"):
        importing.bring(io.BytesIO(data), world_id=mara.world_id, zone_id=there.pk, by="t", now=timezone.now())


def test_an_agent_that_is_not_there_is_not_written() -> None:
    with pytest.raises(NotFound):
        exporting.export(new_id(), io.BytesIO(), now=timezone.now())


@pytest.mark.parametrize(
    "broken",
    [{"goals": [{"name": 5}]}, {"working_memory": [5]}, {"system_prompt": "x" * 5_000_000}],
    ids=["a", "b", "c"],
)
def test_what_could_not_be_read_again_is_not_written(broken: dict[str, Any], mara: Agent) -> None:
    Agent.objects.filter(pk=mara.pk).update(**broken)
    with pytest.raises(BadAgentFile):
        written(mara)


# --- Size and time -------------------------------------------------------------------------------------------

FILL = """
INSERT INTO tick_logs SELECT gen_random_uuid(), agent_id, zone_id, n, n, inserted_at, processing_time, confidence,
    state_hash, action, reasoning, narrative, decision, review, stat_changes, state_changes, '[]', stage_ms, usage,
    error
FROM (SELECT * FROM tick_logs WHERE agent_id = %s AND tick_number = 20) t, generate_series(21, %s) n
"""


def test_a_long_life_takes_little_memory(mara: Agent, there: Zone, tmp_path: Path) -> None:
    ticks = 20_000
    sql.execute(FILL, [mara.pk, ticks])
    Agent.objects.filter(pk=mara.pk).update(tick_number=ticks)
    path = tmp_path / "mara.jsonl"
    peaks = {}
    tracemalloc.start()
    try:
        with path.open("wb") as out:
            exporting.export(mara.pk, out, now=timezone.now())
        peaks["export"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with path.open("rb") as file:
            found = importing.bring(file, world_id=there.world_id, zone_id=there.pk, by="t", now=timezone.now())
        peaks["import"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.counts.ticks == TickLog.objects.filter(agent=found.agent).count() == ticks
    size = path.stat().st_size
    assert size > 10_000_000
    assert max(peaks.values()) < 6_000_000, peaks


@pytest.mark.django_db(transaction=True)
def test_the_file_has_one_moment_though_the_agent_lives_on(commits: None) -> None:  # noqa: F811
    world, (zone,) = make_world({"entropy": 0.9, "environment_interval": 2})
    mara = person(zone)
    live(world, 5)
    ticked = threading.Event()

    def tick() -> None:
        try:
            actions.force_tick(mara.pk, by="t")
        finally:
            connection.close()
            ticked.set()

    class Slow(io.BytesIO):
        def write(self, text: Any) -> int:
            if not self.tell():
                threading.Thread(target=tick).start()
                assert ticked.wait(30)
            return super().write(text)

    out = Slow()
    exporting.export(mara.pk, out, now=timezone.now())
    assert Agent.objects.get(pk=mara.pk).tick_number == 6
    found = lines(out.getvalue())
    assert found[1]["agent"]["tick_number"] == 5 == found[0]["counts"]["ticks"]
    assert [line["tick"]["tick_number"] for line in found if "tick" in line] == [1, 2, 3, 4, 5]
    moved = bring(out.getvalue(), zone, name="Mara II")
    live(world, 1)
    moved.refresh_from_db()
    assert moved.tick_number == 6


# --- The command ---------------------------------------------------------------------------------------------


class Stream(io.StringIO):
    """Text above bytes, as standard output is."""

    def __init__(self, data: bytes = b"", terminal: bool = False) -> None:
        super().__init__()
        self.buffer, self.terminal = io.BytesIO(data), terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, out: Any = None, err: Any = None) -> str:
        out = out or io.StringIO()
        call_command("agents", *arguments, stdout=out, stderr=err or io.StringIO())
        return out.getvalue()

    return run


HERE = ("--world", "Island", "--zone", "Quay")


def test_the_command_moves_an_agent(mara: Agent, there: Zone, agents: Callable[..., str]) -> None:
    said = agents("export", "Mara")
    memories = MemoryNode.objects.filter(agent=mara).count()
    counts = f"{memories} memories, 3 mods, 20 ticks, {len(heard_and_said(mara))} messages"
    assert said.strip() == f"Mara: {counts} written to Mara.agent.jsonl"
    assert agents("import", "Mara.agent.jsonl", *HERE).strip() == (
        f"Mara lives in Quay now, next tick at world tick 6: {counts}."
    )
    assert "Mara II" in agents("import", "Mara.agent.jsonl", "--name", "Mara II", *HERE)
    assert Path("Mara.agent.jsonl").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path().iterdir()] == ["Mara.agent.jsonl"]


def test_the_command_says_it_in_json(mara: Agent, there: Zone, agents: Callable[..., str]) -> None:
    said = json.loads(agents("export", "Mara", "--world", "Harbour", "--output", "m.jsonl", "--json"))
    data = Path("m.jsonl").read_bytes()
    assert (said["file"], said["name"], said["world"], said["size"]) == ("m.jsonl", "Mara", "Harbour", len(data))
    assert (said["checksum"], said["counts"]) == (lines(data)[-1]["checksum"], lines(data)[0]["counts"])
    Path("m.jsonl").write_bytes(changed(data, "agent", reasoner="oracle", lifecycle="archived"))
    err = io.StringIO()
    said = json.loads(agents("import", "m.jsonl", *HERE, "--json", err=err))
    assert said["id"] == str(Agent.objects.get(name="Mara", world=there.world_id).pk)
    assert (said["lifecycle"], said["tick_number"], said["mail"], said["zone"]) == ("archived", 20, 2, "Quay")
    assert "There is no reasoner of kind 'oracle' here" in err.getvalue()
    assert err.getvalue().strip() == said["warnings"][0]
    assert "Mo is archived in Quay: " in agents("import", "m.jsonl", *HERE, "--name", "Mo")


def test_pipes(mara: Agent, there: Zone, agents: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Stream(), io.StringIO()
    agents("export", "Mara", "--output", "-", out=out, err=err)
    assert out.getvalue() == ""
    assert "Mara: " in err.getvalue()
    assert "written to standard output" in err.getvalue()
    text = agents("export", "Mara", "--output", "-")
    assert lines(text.encode())[1:-1] == lines(out.buffer.getvalue())[1:-1]
    monkeypatch.setattr(sys, "stdin", Stream(text.encode()))
    assert "Mara lives in Quay" in agents("import", "-", *HERE)
    monkeypatch.setattr(sys, "stdin", Stream(text.encode()[:-1]))
    with pytest.raises(CommandError, match=r"standard input: the last line.* was cut off; nothing was changed"):
        agents("import", "-", *HERE)


def test_a_file_that_is_there_is_not_written_over(mara: Agent, agents: Callable[..., str]) -> None:
    Path("m").write_text("precious")
    with pytest.raises(CommandError, match="m is there already; --force writes over it"):
        agents("export", "Mara", "--output", "m")
    assert Path("m").read_text() == "precious"
    Agent.objects.filter(pk=mara.pk).update(working_memory=[5])
    with pytest.raises(CommandError, match="cannot be written"):
        agents("export", "Mara", "--output", "m", "--force")
    assert [path.name for path in Path().iterdir()] == ["m"]
    assert Path("m").read_text() == "precious"
    Agent.objects.filter(pk=mara.pk).update(working_memory=[])
    agents("export", "Mara", "--output", "m", "--force")
    assert lines(Path("m").read_bytes())[1]["agent"]["name"] == "Mara"


def test_the_command_says_what_is_wrong(mara: Agent, there: Zone, agents: Callable[..., str]) -> None:
    agents("export", "Mara", "--output", "m")
    for arguments, message in [
        (("export", "Marra"), r"did you mean Mara\?"),
        (("export", "Mara", "--output", "no/where"), "no/where: No such file"),
        (("import", "gone", *HERE), "gone: No such file"),
        (("import", "m", "--world", "Island", "--zone", "Key"), "there is no zone 'Key' in Island; there is Quay"),
        (("import", "m", "--world", "Moon", "--zone", "Quay"), "there is no world called 'Moon'"),
        (("import", "m", "--zone", "Quay"), "--world"),
        (("import", "m", *HERE, "--name", "Ida"), "name: Ida is taken in this world"),
    ]:
        with pytest.raises(CommandError, match=message):
            agents(*arguments)


def test_a_bar_shows_on_a_terminal(
    mara: Agent, there: Zone, agents: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    agents("export", "Mara", "--output", "m")
    assert "export Mara" in screen.getvalue()
    agents("import", "m", *HERE)
    assert "import" in screen.getvalue()


@pytest.mark.parametrize(
    ("name", "file"),
    [("Oda Brink", "Oda Brink"), ("../etc/passwd", "etc_passwd"), ("Žofie", "Žofie"), ("🦊", "agent"), (".", "agent")],
)
def test_files_are_named_for_the_agent(name: str, file: str) -> None:
    assert command.file_name(name) == f"{file}.agent.jsonl"

"""The lines of agent files, and the file as a whole, without any database."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models import STATS, TRAITS, Agent, Mod, TickLog
from agents.transfer import format, reading
from agents.transfer.format import (
    RECORDS,
    AgentRecord,
    BadAgentFile,
    Counts,
    EdgeRecord,
    EntityRecord,
    FactRecord,
    Header,
    MemoryRecord,
    MessageRecord,
    ModRecord,
    TickRecord,
    check,
    line,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
AGENT: dict[str, Any] = {
    **dict.fromkeys(TRAITS, 0.5), **dict.fromkeys(STATS, 50),
    "name": "Mara", "description": "", "lifecycle": "active", "capabilities": [], "reasoner": "rules", "model": "",
    "temperature": 0.7, "max_tokens": 512, "system_prompt": "", "narrator": "rules", "movement_range": 10.0,
    "tick_interval": 30, "mood": 0.0, "activity": "", "current_focus": "", "goals": [], "working_memory": [],
    "recent_actions": "", "x": 1.0, "y": 2.0, "z": 0.0, "tick_number": 5,
}  # fmt: skip
MOD: dict[str, Any] = {
    "name": "cloak", "kind": "skill", "effects": {}, "active": True, "applied_ago": 3, "remaining": None,
}  # fmt: skip
MEMORY: dict[str, Any] = {
    "content": "a", "summary": "", "kind": "episodic", "importance": 0.5, "valence": 0.0, "tags": [], "source": {},
    "access_count": 0, "last_accessed_at": None, "valid_from": None, "valid_to": None, "inserted_at": NOW,
}  # fmt: skip
EDGE: dict[str, Any] = {"source": 1, "target": 2, "relation": "causal", "strength": 0.5, "inserted_at": NOW}
TICK: dict[str, Any] = {
    "tick_number": 1, "world_tick": 1, "inserted_at": NOW, "processing_time": 0.1, "confidence": 1.0,
    "state_hash": "00ff", "action": "rest", "reasoning": "", "narrative": "", "decision": {}, "review": {},
    "stat_changes": {}, "state_changes": {}, "memories": [], "stage_ms": {}, "usage": None, "error": None,
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "heard": True, "conversation": 1, "turn": 0, "sender": "user:ada", "to": "agent:Mara", "text": "hey",
    "reply_to": None, "impersonated_by": "", "status": "waiting", "sent_tick": None, "arrived_tick": None,
    "done_tick": None, "inserted_at": NOW,
}  # fmt: skip
GOOD: dict[type[Any], dict[str, Any]] = {
    AgentRecord: AGENT, ModRecord: MOD, MemoryRecord: MEMORY, EdgeRecord: EDGE, TickRecord: TICK,
    MessageRecord: MESSAGE,
}  # fmt: skip

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\\u{}\"'\n🦊"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def file(*records: Any, header: dict[str, Any] | None = None) -> io.BytesIO:
    """A file of an agent and these, sealed, whose first line counts them unless it is given."""
    kinds = (ModRecord, MemoryRecord, EdgeRecord, EntityRecord, FactRecord, TickRecord, MessageRecord)
    names = dict(zip(kinds, Counts.model_fields, strict=True))
    kinds = [type(record) for record in records]
    counts = {name: kinds.count(kind) for kind, name in names.items()}
    head = {"thunderline_agent": 1, "exported_at": NOW, "world": "W", "world_tick": 9, "counts": counts}
    lines = [orjson.dumps(header or head) + b"\n", line(made(AgentRecord)), *map(line, records)]
    body = b"".join(lines)
    trailer = {"checksum": hashlib.sha256(body).hexdigest(), "lines": len(lines)}
    return io.BytesIO(body + orjson.dumps(trailer) + b"\n")


def made(kind: type[Any], **fields: Any) -> Any:
    return check(kind, {**GOOD[kind], **fields}, at="x")


def survey(*records: Any, **options: Any) -> reading.Survey:
    return reading.survey(file(*records, **options), now=NOW)


def test_every_column_of_what_moves_is_in_a_record() -> None:
    """A column that is added later must be moved too, or be named here."""

    def columns(model: Any) -> set[str]:
        return {field.attname for field in model._meta.concrete_fields}

    own = {"id", "world_id", "zone_id", "home_zone_id", "ordinal", "mod_count", "mail", "last_tick", "due_tick"}
    stamps = {"inserted_at", "updated_at"}
    assert columns(Agent) - own - stamps == set(AgentRecord.model_fields)
    assert columns(TickLog) - {"id", "agent_id", "zone_id"} == set(TickRecord.model_fields)
    clock = {"applied_tick", "expires_tick"}
    assert columns(Mod) - {"id", "agent_id"} - stamps - clock | {"applied_ago", "remaining"} == set(
        ModRecord.model_fields
    )


@pytest.mark.parametrize("kind", GOOD)
def test_a_line_is_read_as_it_was_written(kind: type[Any]) -> None:
    record = made(kind)
    ((tag, data),) = orjson.loads(line(record)).items()
    assert RECORDS[tag] is kind
    assert check(kind, data, at="x") == record


@given(plain)
def test_any_json_that_the_database_can_hold_is_kept(value: Any) -> None:
    record = made(TickRecord, decision={"v": value})
    data = orjson.loads(line(record))["tick"]
    assert check(TickRecord, data, at="x").decision == orjson.loads(orjson.dumps({"v": value}))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.integers(0, 2000))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, place: int) -> None:
    data = file(made(ModRecord), made(MemoryRecord), made(TickRecord)).getvalue()
    broken = data[: place % len(data)] + garbage + data[place % len(data) + len(garbage) + 1 :]
    for text in (garbage, broken):
        with pytest.raises(BadAgentFile):
            reading.survey(io.BytesIO(text), now=NOW)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (AgentRecord, {"x": float("nan")}, "x.x: it should be a finite number"),
        (AgentRecord, {"x": 1e9}, "x.x"),
        (AgentRecord, {"z": "0"}, "x.z: it should be a valid number"),
        (AgentRecord, {"movement_range": float("inf")}, "movement_range"),
        (AgentRecord, {"max_tokens": True}, "max_tokens"),
        (AgentRecord, {"max_tokens": 2**31}, "max_tokens"),
        (AgentRecord, {"goals": [{"name": "a", "progress": 2}]}, "x.goals.0.progress"),
        (AgentRecord, {"goals": [{"name": "a", "progress": 0, "when": 1}]}, "x.goals.0.when: there is no such field"),
        (AgentRecord, {"working_memory": [[1, "t", 0.5, 3]]}, "x.working_memory.0.3"),
        (AgentRecord, {"working_memory": [["1", "t", 0.5, 0]]}, "x.working_memory.0.0"),
        (AgentRecord, {"name": "a\ud800"}, "x.name"),
        (AgentRecord, {"capabilities": ["a\0"]}, "NUL"),
        (ModRecord, {"effects": {"action_weights": {"rest": 1e308}}}, "x.effects"),
        (ModRecord, {"remaining": -3}, "a mod ends after it was put on"),
        (ModRecord, {"applied_ago": 10**18}, "x.applied_ago"),
        (MemoryRecord, {"inserted_at": datetime(2026, 1, 1)}, "an instant with its offset"),
        (MemoryRecord, {"inserted_at": "yesterday"}, "x.inserted_at"),
        (MemoryRecord, {"inserted_at": "9999-12-31T23:59:59-14:00"}, "the years 2 to 9998"),
        (MemoryRecord, {"source": []}, "x.source"),
        (TickRecord, {"state_hash": "00FF"}, "x.state_hash"),
        (TickRecord, {"state_hash": "00ff\n"}, "x.state_hash"),
        (TickRecord, {"memories": [0]}, "x.memories.0"),
        (MessageRecord, {"turn": 2**15}, "x.turn"),
        (MessageRecord, {"sender": "x" * 151}, "x.sender"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_named(kind: type[Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadAgentFile, match=message):
        made(kind, **fields)


def test_depth_has_an_end() -> None:
    value: Any = 1
    for _ in range(format.DEEPEST - 2):
        value = [value]
    assert made(TickRecord, decision={"v": value})
    with pytest.raises(BadAgentFile, match="nested too deeply"):
        made(TickRecord, decision={"v": [value]})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(BadAgentFile, match=r"x\.kind: it is missing"):
        check(MemoryRecord, {name: value for name, value in MEMORY.items() if name != "kind"}, at="x")


def test_a_survey_counts_what_is_needed_to_write() -> None:
    later = NOW - timedelta(hours=12, microseconds=1)
    found = survey(
        made(ModRecord), made(ModRecord, name="song"), made(ModRecord, active=False),
        made(TickRecord), made(TickRecord, tick_number=2, inserted_at=later),
        made(MessageRecord), made(MessageRecord, status="read", sent_tick=1, reply_to=1),
    )  # fmt: skip
    assert (found.in_force, found.waiting, found.agent.name, found.header.world_tick) == (2, 1, "Mara", 9)
    assert [day.isoformat() for day in sorted(found.days)] == ["2026-01-30", "2026-01-31"]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([(MessageRecord, {}), (ModRecord, {})], "line 4: mod: it comes after message"),
        ([(ModRecord, {}), (ModRecord, {})], "line 4: mod: 'cloak' is in force twice"),
        ([(TickRecord, {}), (TickRecord, {})], "line 4: tick: they must come in the order of tick_number, each once"),
        ([(TickRecord, {"tick_number": 6})], "line 3: tick: the agent has ticked 5 times only"),
        ([(TickRecord, {"memories": [1]})], "line 3: tick: it formed a memory that is not in the file"),
        ([(TickRecord, {"inserted_at": NOW + timedelta(days=2)})], "tick 1 is of .*, which is yet to come"),
        ([(MemoryRecord, {}), (EdgeRecord, {})], "line 4: edge: it ties a memory that is not in the file"),
        ([(MessageRecord, {"conversation": 2})], "line 3: message: its conversation begins later"),
        ([(MessageRecord, {"reply_to": 1})], "line 3: message: it replies to a later one"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_go_together_is_refused(records: list[Any], message: str) -> None:
    with pytest.raises(BadAgentFile, match=message):
        survey(*(made(kind, **fields) for kind, fields in records))


def test_too_many_mods_in_force_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_IN_FORCE", 1)
    assert survey(made(ModRecord)).in_force == 1
    with pytest.raises(BadAgentFile, match="more than 1 are in force"):
        survey(made(ModRecord), made(ModRecord, name="song"))


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(BadAgentFile, match=r"line 1: (it is of version|this is no agent file)"):
        survey(header={"thunderline_agent": version})


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    source = file(*(made(MemoryRecord) for _ in range(300)))
    reading.survey(source, now=NOW, progress=lambda done, total: told.append((done, total)))
    size = len(source.getvalue())
    assert len(told) == 4
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_a_line_that_could_not_be_read_is_not_written() -> None:
    record = made(AgentRecord, system_prompt="x" * format.LONGEST_LINE)
    with pytest.raises(BadAgentFile, match="too many for one line"):
        line(record)


def test_a_header_is_written_in_full() -> None:
    header = Header(exported_at=NOW, world="W", world_tick=3, counts=Counts(mods=1))
    assert orjson.loads(format.plain_line(header)) == {
        "thunderline_agent": 1,
        "exported_at": "2026-01-31T12:00:00+00:00",
        "world": "W",
        "world_tick": 3,
        "counts": {"mods": 1, "memories": 0, "edges": 0, "entities": 0, "facts": 0, "ticks": 0, "messages": 0},
    }

"""An agent's memories as JSON lines, out and in: a header, a memory a line, oldest first, then entities and facts.

No vectors and no ties between memories: those are made anew. What comes in may be there already: the same id is
skipped, an equal text merges, another agent's id is made anew; a name that is known means the same, and facts are
learned as if they were told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import psycopg
from django.db import transaction
from django.utils import timezone
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from domains import sql
from domains.ids import new_id
from memory import knowledge
from memory.actions import storing
from memory.actions.storing import NewMemory
from memory.errors import InvalidMemory, VaultError
from memory.knowledge import EntityLine, FactLine
from memory.owners import Owner

BATCH = 1000
VERSION = 1

EXPORT = """
SELECT id, content, summary, kind, importance, valence, tags, source, sources, seen_count, last_seen_at, access_count,
       last_accessed_at, valid_from, valid_to, inserted_at
FROM memory_nodes WHERE agent_id = %s ORDER BY id
"""
COUNTS = """
SELECT (SELECT count(*) FROM memory_nodes WHERE agent_id = %(agent)s) AS memories,
       (SELECT count(*) FROM memory_entities WHERE agent_id = %(agent)s) AS entities,
       (SELECT count(*) FROM memory_facts WHERE agent_id = %(agent)s AND valid_to IS DISTINCT FROM valid_from) AS facts
"""
TAKEN = "SELECT id, agent_id FROM memory_nodes WHERE id = ANY(%s)"
ACCESSES = """
UPDATE memory_nodes m SET access_count = u.count, last_accessed_at = u.at
FROM unnest(%s::uuid[], %s::int4[], %s::timestamptz[]) AS u (id, count, at) WHERE m.id = u.id
"""


class BadMemoryFile(VaultError):
    """The file is none of ours, or broken. The message names the line."""

    code = "bad_memory_file"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Header(_Line):
    """The first line."""

    thunderline_memories: Literal[1]
    agent: str
    world: str
    exported_at: AwareDatetime
    memories: Annotated[int, Field(ge=0)]
    entities: Annotated[int, Field(ge=0)] = 0
    facts: Annotated[int, Field(ge=0)] = 0


class MemoryLine(_Line):
    """A memory. Limits of texts and figures are those of the store."""

    id: UUID
    content: str
    summary: str = ""
    kind: str = "episodic"
    importance: float = 0.5
    valence: float = 0.0
    tags: list[str] = []
    source: dict[str, Any] = {}
    sources: Annotated[list[dict[str, Any]], Field(max_length=storing.SOURCES_KEPT)] = []
    seen_count: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    last_seen_at: AwareDatetime | None = None
    access_count: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    last_accessed_at: AwareDatetime | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    inserted_at: AwareDatetime


class Brought(BaseModel):
    """What came of an import."""

    memories: int = 0
    new: int = 0
    merged: int = 0
    skipped: int = 0
    """Those that are there already."""
    mentions: int = 0
    """Ties of memories to names that are new."""
    facts: int = 0


def export(owner: Owner, *, now: datetime) -> Iterator[bytes]:
    """The lines, as of one moment, some hundred rows in memory at a time. Opens a transaction."""
    with transaction.atomic():
        (counts,) = sql.fetch(COUNTS, {"agent": owner.id})
        header = {"thunderline_memories": VERSION, "agent": owner.name, "world": owner.world, "exported_at": now}
        yield orjson.dumps(header | counts) + b"\n"
        for query in (EXPORT, knowledge.ENTITIES, knowledge.FACTS):
            with psycopg.ServerCursor(sql.raw(), "export_vault", row_factory=dict_row) as cursor:
                set_json_loads(orjson.loads, cursor)  # Django leaves jsonb as text
                cursor.itersize = BATCH
                for row in cursor.execute(query.encode(), [owner.id]):
                    yield orjson.dumps(row) + b"\n"


def bring(owner: Owner, lines: Iterable[bytes]) -> Brought:
    """Let an agent have the memories of a file: all of them or, when a line is wrong, none. Opens the transaction.

    Raises: BadMemoryFile.
    """
    numbered = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise BadMemoryFile("the file is empty")
    _parsed(Header, *first)
    brought = Brought()
    moved: dict[UUID, UUID] = {}
    with transaction.atomic():
        while batch := list(islice(numbered, BATCH)):
            lines_of = [(n, _line(n, line)) for n, line in batch]
            _bring(owner, [(n, one) for n, one in lines_of if isinstance(one, MemoryLine)], brought, moved)
            _bring_knowledge(owner, lines_of, brought, moved)
    return brought


def _line(number: int, line: bytes) -> MemoryLine | EntityLine | FactLine:
    """Raises: BadMemoryFile."""
    try:
        data = orjson.loads(line)
    except ValueError as error:
        raise BadMemoryFile(f"line {number}: it is no JSON") from error
    kind = knowledge.LINES.get(data.get("what", "")) if isinstance(data, dict) else None
    return _parsed(kind or MemoryLine, number, line)


def _bring_knowledge(
    owner: Owner, lines: list[tuple[int, MemoryLine | EntityLine | FactLine]], brought: Brought, moved: dict[UUID, UUID]
) -> None:
    """Raises: BadMemoryFile."""
    for number, line in lines:
        if isinstance(line, EntityLine):
            with _at(f"line {number}"):
                brought.mentions += knowledge.bring_entity(owner, line, moved)
    if facts := [(number, line) for number, line in lines if isinstance(line, FactLine)]:
        with _at(f"lines {facts[0][0]} to {facts[-1][0]}"):
            brought.facts += knowledge.bring_facts(owner, [line for _, line in facts], moved, timezone.now())


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Raises: BadMemoryFile."""
    try:
        yield
    except VaultError as error:
        raise BadMemoryFile(f"{place}: {error}") from error


def _parsed(model: type[Any], number: int, line: bytes) -> Any:
    try:
        return model.model_validate(orjson.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise BadMemoryFile(f"line {number}: {at + ': ' if at else ''}{first['msg']}") from error
    except ValueError as error:
        raise BadMemoryFile(f"line {number}: it is no JSON") from error


def _bring(owner: Owner, lines: list[tuple[int, MemoryLine]], brought: Brought, moved: dict[UUID, UUID]) -> None:
    """`moved` gets the ids that are others here."""
    if not lines:
        return
    taken = dict(sql.fetch_rows(TAKEN, [[line.id for _, line in lines]]))
    rows: dict[storing.Key, storing.Row] = {}
    recalled: dict[storing.Key, tuple[int, datetime | None]] = {}
    keys: dict[UUID, storing.Key] = {}
    for number, line in lines:
        brought.memories += 1
        if taken.get(line.id) == owner.id:
            brought.skipped += 1
            continue
        row = _row(owner.id, number, line, renamed=line.id in taken)
        taken[line.id] = owner.id
        keys[line.id] = row.key
        if row.key in rows:
            storing.join(rows[row.key], row)
            brought.merged += 1
        else:
            rows[row.key] = row
            recalled[row.key] = line.access_count, line.last_accessed_at
    ids, fresh = storing.write(list(rows.values()), timezone.now())
    moved.update({one: ids[key] for one, key in keys.items() if ids[key] != one})
    brought.new += len(fresh)
    brought.merged += len(rows) - len(fresh)
    if noted := [(ids[row.key], *recalled[row.key]) for row in fresh if recalled[row.key][0]]:
        sql.execute(ACCESSES, [list(column) for column in zip(*noted, strict=True)])


def _row(agent_id: UUID, number: int, line: MemoryLine, *, renamed: bool) -> storing.Row:
    """Raises: BadMemoryFile."""
    memory = NewMemory(
        agent_id, line.content, line.kind, line.importance, line.valence, line.summary, tuple(line.tags), line.source,
        new_id() if renamed else line.id, line.inserted_at, line.valid_from, line.valid_to,
    )  # fmt: skip
    try:
        storing.check(memory)
        for source in line.sources:
            storing.check_source(source)
    except InvalidMemory as error:
        raise BadMemoryFile(f"line {number}: {error}") from error
    return storing.Row(
        storing.key_of(memory), memory, line.inserted_at, line.last_seen_at or line.inserted_at, line.seen_count,
        line.importance, line.valence, memory.tags, list(line.sources),
    )  # fmt: skip

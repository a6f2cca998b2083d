"""Storing memories, the tick's hot path: new ones by one COPY, those that an agent has already by one UPDATE.

Equal texts of one agent (`memory.texts`) are one memory, however many transactions store them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from django.db import transaction
from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from domains.ids import new_id
from memory import embedding, metrics, texts, vectors
from memory.errors import InvalidMemory
from memory.models import WAITING, MemoryNode
from memory.recall import signatures

MIN_IMPORTANCE = 0.3
MIN_VALENCE = 0.4
LONGEST, LONGEST_SUMMARY = 10_000, 500
MOST_TAGS, LONGEST_TAG = 50, 100
SOURCES_KEPT = 20
"""Later sources of one memory; the first one is kept besides."""
MOST_BYTES_OF_SOURCE = 2_000
FEW = 40
"""Memories up to which one INSERT costs less than looking first what is there."""

COLUMNS = {
    "id": "uuid", "agent_id": "uuid", "content": "text", "content_hash": "bytea", "signature": "bytea",
    "summary": "text", "embedding": "halfvec", "embedder": "text", "kind": "text", "importance": "float8",
    "valence": "float8", "tags": "jsonb", "source": "jsonb", "sources": "jsonb", "seen_count": "int4",
    "last_seen_at": "timestamptz", "access_count": "int4", "valid_from": "timestamptz", "valid_to": "timestamptz",
    "inserted_at": "timestamptz", "updated_at": "timestamptz",
}  # fmt: skip
"""What a new memory's row is given, with the types; the rest of the table has defaults."""
_JSON = [name for name, kind in COLUMNS.items() if kind == "jsonb"]
"""An INSERT takes these as text: one array of many documents."""

KNOWN = """
SELECT u.place FROM unnest(%b::uuid[], %b::bytea[], %b::timestamptz[]) WITH ORDINALITY
    AS u (agent_id, content_hash, valid_to, place)
JOIN memory_nodes m ON m.agent_id = u.agent_id AND m.content_hash = u.content_hash
    AND m.valid_to IS NOT DISTINCT FROM u.valid_to
"""

# For few, and for when somebody else stored one of them a moment ago. Waits for those who are storing one just now.
INSERT = f"""
INSERT INTO memory_nodes ({", ".join(COLUMNS)})
SELECT {", ".join(f"{name}::jsonb" if name in _JSON else name for name in COLUMNS)}
FROM unnest({", ".join(f"%b::{'text' if name in _JSON else kind}[]" for name, kind in COLUMNS.items())})
    AS r ({", ".join(COLUMNS)})
ON CONFLICT (agent_id, content_hash, valid_to) WHERE content_hash IS NOT NULL DO NOTHING
RETURNING id
"""

# What an equal memory adds to the row that is there. Nothing of this is indexed.
MERGE = f"""
WITH u AS MATERIALIZED (
    SELECT * FROM unnest(
        %b::uuid[], %b::bytea[], %b::timestamptz[], %b::int4[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[],
        %b::float8[], %b::float8[], %b::text[], %b::jsonb[], %b::jsonb[]
    ) WITH ORDINALITY AS u (
        agent_id, content_hash, valid_to, seen_count, last_seen_at, inserted_at, valid_from, importance, valence,
        summary, tags, sources, place
    )
), there AS MATERIALIZED (
    SELECT m.id, u.place FROM u JOIN memory_nodes m ON m.agent_id = u.agent_id AND m.content_hash = u.content_hash
        AND m.valid_to IS NOT DISTINCT FROM u.valid_to
    ORDER BY m.agent_id, m.content_hash, m.valid_to FOR NO KEY UPDATE OF m
)
UPDATE memory_nodes m SET
    seen_count = m.seen_count + u.seen_count, last_seen_at = greatest(m.last_seen_at, u.last_seen_at),
    inserted_at = least(m.inserted_at, u.inserted_at),
    valid_from = CASE WHEN m.valid_from IS NULL AND u.valid_from IS NULL THEN NULL
        ELSE least(coalesce(m.valid_from, m.inserted_at), coalesce(u.valid_from, u.inserted_at)) END,
    importance = greatest(m.importance, u.importance),
    valence = CASE WHEN abs(u.valence) > abs(m.valence) THEN u.valence ELSE m.valence END,
    summary = CASE WHEN m.summary = '' THEN u.summary ELSE m.summary END,
    tags = CASE WHEN m.tags @> u.tags THEN m.tags ELSE jsonb_path_query_array(m.tags || (
        SELECT coalesce(jsonb_agg(t.tag ORDER BY t.n), '[]')
        FROM jsonb_array_elements(u.tags) WITH ORDINALITY t (tag, n)
        WHERE NOT m.tags @> jsonb_build_array(t.tag)), '$[0 to {MOST_TAGS - 1}]') END,
    sources = jsonb_path_query_array(m.sources || u.sources, '$[last - {SOURCES_KEPT - 1} to last]'),
    updated_at = now()
FROM there JOIN u USING (place) WHERE m.id = there.id
RETURNING there.place, m.id
"""

RECALLED = "SELECT agent_id, content FROM memory_nodes WHERE id = ANY(%s) AND agent_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A memory to be stored. `source` names the tick or events it came from; `at` is when, by default now.

    It holds from `valid_from` (by default from `at`) until before `valid_to` (by default for good).
    """

    agent_id: UUID
    content: str
    kind: str = "episodic"
    importance: float = 0.5
    valence: float = 0.0
    summary: str = ""
    tags: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)
    at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


RecalledOf = Mapping[UUID, Collection[UUID | str]]
"""By agent: ids and texts of memories that it was just reminded of."""


def worth_keeping(importance: float, valence: float) -> bool:
    """The formation rule: importance ≥ 0.3 or |valence| ≥ 0.4."""
    return importance >= MIN_IMPORTANCE or abs(valence) >= MIN_VALENCE


def store(
    agent: UUID | NewMemory, content: str | None = None, *, recalled: Collection[UUID | str] = (), **fields: Any
) -> UUID | None:
    """Store one memory: `store(agent_id, "text", importance=0.8)`, or one that is made already.

    Returns its id, or that of the equal one it went into; None: it only repeats one of `recalled`, and was not stored.
    Needs an open transaction. Raises: InvalidMemory.
    """
    memory = agent if isinstance(agent, NewMemory) else NewMemory(agent, content or "", **fields)
    return store_many([memory], recalled={memory.agent_id: recalled} if recalled else None)[0]


def store_many(memories: Sequence[NewMemory], *, recalled: RecalledOf | None = None) -> list[UUID | None]:
    """Embed and store memories. Returns for each, in order, the id of its row; None for echoes of what was recalled.

    Equal texts of an agent are one row, which then counts them and keeps their sources. When the embedder is remote
    or fails, they are stored all the same, and embedded later. Needs an open transaction; at most five queries.

    Raises: InvalidMemory; nothing is stored then.
    """
    sql.require_transaction("storing memories")
    if not memories:
        return []
    for memory in memories:
        check(memory)
    echoes = _echoes(memories, recalled or {})
    now = timezone.now()
    kept = [memory for memory in memories if memory.id not in echoes]
    keys = [key_of(memory) for memory in kept]
    rows = _rows(zip(kept, keys, strict=True), now)
    ids, fresh = write(rows, now)
    metrics.stores.inc(len(memories) - len(echoes))
    metrics.merges.inc(sum(row.seen for row in rows) - len(fresh))
    metrics.echoes.inc(len(echoes))
    in_turn = iter(keys)
    return [None if memory.id in echoes else ids[next(in_turn)] for memory in memories]


# --- What it is made of --------------------------------------------------------------------------------------


class Key(NamedTuple):
    """What is one memory of an agent."""

    agent_id: UUID
    content_hash: bytes
    valid_to: datetime | None


@dataclass(slots=True)
class Row:
    """Equal memories of one call."""

    key: Key
    memory: NewMemory
    """The first of them."""
    at: datetime
    last_at: datetime
    seen: int
    importance: float
    valence: float
    tags: tuple[str, ...]
    sources: list[dict[str, Any]]
    """Of those after the first."""


def key_of(memory: NewMemory) -> Key:
    return Key(memory.agent_id, texts.digest(memory.content), memory.valid_to)


_FOR_GOOD = datetime.max.replace(tzinfo=UTC)


def _place(row: Row) -> tuple[bytes, bytes, datetime]:
    """As PostgreSQL sorts the index."""
    return row.key.agent_id.bytes, row.key.content_hash, row.key.valid_to or _FOR_GOOD


def _rows(memories: Iterable[tuple[NewMemory, Key]], now: datetime) -> list[Row]:
    """One for each text."""
    rows: dict[Key, Row] = {}
    for m, key in memories:
        at = m.at or now
        row = Row(key, m, at, at, 1, m.importance, m.valence, m.tags, [])
        if (first := rows.setdefault(key, row)) is not row:
            join(first, row)
    return list(rows.values())


def join(first: Row, row: Row) -> None:
    """Let one row of a text take in what another one of it has."""
    first.seen += row.seen
    first.at, first.last_at = min(first.at, row.at), max(first.last_at, row.last_at)
    first.importance = max(first.importance, row.importance)
    first.valence = max(first.valence, row.valence, key=abs)
    first.tags = tuple(dict.fromkeys((*first.tags, *row.tags)))[:MOST_TAGS]
    own = [row.memory.source] if row.memory.source else []
    first.sources = [*first.sources, *own, *row.sources][-SOURCES_KEPT:]


def _echoes(memories: Sequence[NewMemory], recalled: RecalledOf) -> set[UUID]:
    """Ids of those that only repeat what their agent was just reminded of."""
    known: dict[UUID, list[str]] = {}
    ids: list[UUID] = []
    for agent_id, ones in recalled.items():
        known[agent_id] = [one for one in ones if isinstance(one, str)]
        ids += [one for one in ones if not isinstance(one, str)]
    if ids:
        for agent_id, content in sql.fetch_rows(RECALLED, [ids, list(recalled)]):
            known[agent_id].append(content)
    minds = {agent_id: texts.Recalled(said) for agent_id, said in known.items() if said}
    return {m.id for m in memories if m.agent_id in minds and minds[m.agent_id].echoed_by(m.content)}


# --- Writing -------------------------------------------------------------------------------------------------

Ids = dict[Key, UUID]


def write(rows: list[Row], now: datetime) -> tuple[Ids, list[Row]]:
    """Write rows of different keys, new or into those that are there. Returns the ids of all, and those that are new.

    First what is new, then what merges, each in the order of the index: who waits for a row that is being made holds
    none that others merge into, so that nobody waits in a circle. Needs an open transaction, in which this is called
    once.
    """
    rows.sort(key=_place)
    fresh: list[Row] = []
    ids: Ids = {}
    while left := [row for row in rows if row.key not in ids]:  # again, when one was forgotten between two statements
        made = _insert(left, now) if len(left) <= FEW else _copy(left, now)
        ids |= {row.key: row.memory.id for row in made}
        fresh += made
        if equal := [row for row in left if row.key not in ids]:
            ids |= _merge(equal)
    return ids, fresh


def _copy(rows: list[Row], now: datetime) -> list[Row]:
    """Write those that are not known yet. Returns them."""
    columns = [list(column) for column in zip(*(row.key for row in rows), strict=True)]
    known = {place - 1 for (place,) in sql.fetch_rows(KNOWN, columns)}
    fresh = [row for place, row in enumerate(rows) if place not in known]
    if not fresh:
        return []
    values = _values(fresh, now)
    try:
        with transaction.atomic():
            sql.copy("memory_nodes", COLUMNS, values)
    except psycopg.errors.UniqueViolation:  # somebody else was quicker
        return _insert(fresh, now, values)
    return fresh


def _insert(rows: list[Row], now: datetime, values: list[tuple[Any, ...]] | None = None) -> list[Row]:
    """Write those that nobody has written. Returns them."""
    columns: list[Any] = [list(column) for column in zip(*(values or _values(rows, now)), strict=True)]
    for place, name in enumerate(COLUMNS):
        if name in _JSON:
            columns[place] = [orjson.dumps(value).decode() for value in columns[place]]
    made = {node_id for (node_id,) in sql.fetch_rows(INSERT, columns)}
    return [row for row in rows if row.memory.id in made]


def _merge(rows: list[Row]) -> Ids:
    """Let rows that are there take these in. Returns their ids; some may be gone by now."""
    values = [
        (
            *row.key, row.seen, row.last_at, row.at, m.valid_from, row.importance, row.valence, m.summary,
            sql.jsonb(row.tags), sql.jsonb([source for source in (m.source, *row.sources) if source]),
        )
        for row in rows
        for m in (row.memory,)
    ]  # fmt: skip
    columns = [list(column) for column in zip(*values, strict=True)]
    return {rows[place - 1].key: node_id for place, node_id in sql.fetch_rows(MERGE, columns)}


def _values(rows: Sequence[Row], now: datetime) -> list[tuple[Any, ...]]:
    """In the order of `COLUMNS`."""
    embedded = embedding.of_memories([row.memory.content for row in rows])
    vectors.register()
    name = embedded.name if embedded else WAITING
    halves = [HalfVector(vector) for vector in embedded.halves] if embedded else [None] * len(rows)
    return [
        (
            m.id, m.agent_id, m.content, row.key.content_hash, signatures.pack(m.content), m.summary, half, name,
            m.kind, row.importance, row.valence, list(row.tags), m.source, row.sources, row.seen, row.last_at, 0,
            m.valid_from, m.valid_to, row.at, now,
        )
        for row, half in zip(rows, halves, strict=True)
        for m in (row.memory,)
    ]  # fmt: skip


# --- What is refused -----------------------------------------------------------------------------------------


def check(m: NewMemory) -> None:
    """Raises: InvalidMemory."""
    if not (isinstance(m.content, str) and isinstance(m.summary, str)):
        raise InvalidMemory("content and summary: they are texts")
    if not 1 <= len(m.content) <= LONGEST or m.content.isspace():
        raise InvalidMemory("content: 1 to 10,000 characters, and not only white space")
    if not _storable(m.content + m.summary):
        raise InvalidMemory("content and summary: no NUL characters and no lone surrogates")
    if len(m.summary) > LONGEST_SUMMARY:
        raise InvalidMemory("summary: at most 500 characters")
    if not (isinstance(m.importance, int | float) and isinstance(m.valence, int | float)):
        raise InvalidMemory("importance and valence: they are numbers")
    if not (0 <= m.importance <= 1 and -1 <= m.valence <= 1):
        raise InvalidMemory("importance is 0 to 1 and valence -1 to 1")
    if not isinstance(m.kind, str) or m.kind not in _KINDS:
        raise InvalidMemory(f"kind: one of {', '.join(MemoryNode.Kind.values)}")
    if m.tags:
        _check_tags(m.tags)
    if m.source:
        check_source(m.source)
    if m.at or m.valid_from or m.valid_to:
        _check_times(m)


_KINDS = frozenset(MemoryNode.Kind.values)


def _check_tags(tags: Sequence[str]) -> None:
    if not isinstance(tags, tuple | list):
        raise InvalidMemory("tags: a list of texts")
    if len(tags) > MOST_TAGS or any(not isinstance(tag, str) or not 1 <= len(tag) <= LONGEST_TAG for tag in tags):
        raise InvalidMemory(f"tags: at most {MOST_TAGS}, of 1 to {LONGEST_TAG} characters each")
    if not _storable("".join(tags)):
        raise InvalidMemory("tags: no NUL characters and no lone surrogates")


def check_source(source: Mapping[str, Any]) -> None:
    """Raises: InvalidMemory."""
    if not isinstance(source, dict):
        raise InvalidMemory("source: it is no JSON object")
    try:
        written = orjson.dumps(source, default=str)
    except TypeError as error:
        raise InvalidMemory(f"source: it is no JSON object ({error})") from error
    if len(written) > MOST_BYTES_OF_SOURCE or b"\\u0000" in written:
        raise InvalidMemory(f"source: at most {MOST_BYTES_OF_SOURCE:,} bytes of JSON, without NUL characters")


def _check_times(m: NewMemory) -> None:
    for name, at in (("at", m.at), ("valid_from", m.valid_from), ("valid_to", m.valid_to)):
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise InvalidMemory(f"{name}: an instant needs its time zone")
    if m.valid_to is not None and m.valid_to <= (m.valid_from or m.at or timezone.now()):
        raise InvalidMemory("valid_to: it must be after valid_from, which is now unless it is given")


def _storable(text: str) -> bool:
    """Whether PostgreSQL can hold it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False

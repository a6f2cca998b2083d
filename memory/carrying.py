"""All that an agent remembers, out and in again as another agent: for files that number memories instead of naming ids.

The statements read one snapshot of the caller's, with `%(agent)s`. Nothing merges on the way in, nothing is linked or
learned: what was there is there, with its counts and instants. Vectors are made anew, as the embedder may be another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pgvector import HalfVector

from domains import sql
from domains.ids import Numbered, new_id, new_raw_id
from memory import embedding, texts, vectors
from memory.actions import storing
from memory.models import WAITING
from memory.recall import signatures

BATCH = 1000

COUNTS: Mapping[str, str] = {
    "memories": "SELECT count(*) FROM memory_nodes WHERE agent_id = %(agent)s",
    "edges": """SELECT count(*) FROM memory_edges e JOIN memory_nodes s ON s.id = e.source_id
                JOIN memory_nodes t ON t.id = e.target_id WHERE s.agent_id = %(agent)s AND t.agent_id = %(agent)s""",
    "entities": "SELECT count(*) FROM memory_entities WHERE agent_id = %(agent)s",
    "facts": "SELECT count(*) FROM memory_facts WHERE agent_id = %(agent)s",
}
"""How many there are of each sort."""

MEMORIES = """
SELECT content, summary, kind, importance, valence, tags, source, access_count, last_accessed_at, valid_from, valid_to,
       inserted_at, sources, seen_count, last_seen_at
FROM memory_nodes WHERE agent_id = %(agent)s ORDER BY id
"""
NUMBERED = """
WITH known AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY id) AS number FROM memory_nodes WHERE agent_id = %(agent)s
)"""
"""Begins a statement that knows memories by their numbers, from 1 in the order of `MEMORIES`: `known (id, number)`."""
EDGES = f"""{NUMBERED}
SELECT s.number AS source, t.number AS target, e.relation, e.strength, e.inserted_at
FROM memory_edges e JOIN known s ON s.id = e.source_id JOIN known t ON t.id = e.target_id
ORDER BY s.number, t.number, e.relation COLLATE "C"
"""
ENTITIES = f"""{NUMBERED}, named AS (
    SELECT m.entity_id, json_agg(k.number ORDER BY k.number) AS memories
    FROM memory_mentions m JOIN known k ON k.id = m.memory_id GROUP BY m.entity_id
), called AS (
    SELECT entity_id, json_agg(alias ORDER BY alias) AS aliases
    FROM memory_entity_aliases WHERE agent_id = %(agent)s GROUP BY entity_id
)
SELECT e.name, e.kind, coalesce(c.aliases, '[]') AS aliases, coalesce(n.memories, '[]') AS memories
FROM memory_entities e LEFT JOIN called c ON c.entity_id = e.id LEFT JOIN named n ON n.entity_id = e.id
WHERE e.agent_id = %(agent)s ORDER BY e.id
"""
FACTS = f"""{NUMBERED}
SELECT f.subject, f.relation, f.value, k.number AS memory, f.valid_from, f.valid_to, f.inserted_at
FROM memory_facts f LEFT JOIN known k ON k.id = f.memory_id
WHERE f.agent_id = %(agent)s ORDER BY f.valid_from, f.id
"""

_STAMPS = {"inserted_at": "timestamptz", "updated_at": "timestamptz"}
_MEMORIES = {**storing.COLUMNS, "last_accessed_at": "timestamptz"}
_EDGES = {
    "id": "uuid", "source_id": "uuid", "target_id": "uuid", "relation": "text", "strength": "float8", **_STAMPS,
}  # fmt: skip
_ENTITIES = {"id": "uuid", "agent_id": "uuid", "name": "text", "kind": "text", **_STAMPS}
_ALIASES = {"agent_id": "uuid", "alias": "text", "entity_id": "uuid"}
_MENTIONS = {"entity_id": "uuid", "memory_id": "uuid"}
_FACTS = {
    "id": "uuid", "agent_id": "uuid", "subject": "text", "subject_key": "text", "relation": "text",
    "relation_key": "text", "value": "text", "memory_id": "uuid", "valid_from": "timestamptz",
    "valid_to": "timestamptz", **_STAMPS,
}  # fmt: skip


class Memory(Protocol):
    """A row of `MEMORIES`, within the limits of the store."""

    @property
    def content(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def importance(self) -> float: ...
    @property
    def valence(self) -> float: ...
    @property
    def tags(self) -> list[Any]: ...
    @property
    def source(self) -> dict[str, Any]: ...
    @property
    def sources(self) -> list[dict[str, Any]]: ...
    @property
    def seen_count(self) -> int: ...
    @property
    def last_seen_at(self) -> datetime | None: ...
    @property
    def access_count(self) -> int: ...
    @property
    def last_accessed_at(self) -> datetime | None: ...
    @property
    def valid_from(self) -> datetime | None: ...
    @property
    def valid_to(self) -> datetime | None: ...
    @property
    def inserted_at(self) -> datetime: ...


class Edge(Protocol):
    """A row of `EDGES`."""

    @property
    def source(self) -> int: ...
    @property
    def target(self) -> int: ...
    @property
    def relation(self) -> str: ...
    @property
    def strength(self) -> float: ...
    @property
    def inserted_at(self) -> datetime: ...


class Entity(Protocol):
    """A row of `ENTITIES`."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def aliases(self) -> Sequence[str]: ...
    @property
    def memories(self) -> Sequence[int]: ...


class Fact(Protocol):
    """A row of `FACTS`; `key` are subject and relation as they are compared."""

    @property
    def key(self) -> tuple[str, str]: ...
    @property
    def subject(self) -> str: ...
    @property
    def relation(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def memory(self) -> int | None: ...
    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_to(self) -> datetime | None: ...
    @property
    def inserted_at(self) -> datetime: ...


class Arrival:
    """Gives a newborn agent what it remembered elsewhere. Needs an open transaction, in which the agent was made.

    First all memories, in the order of their numbers, once; then the rest in any order. By COPY, a thousand rows in
    memory at a time. What breaks a constraint is psycopg's `IntegrityError` or `DataError`.
    """

    def __init__(self, agent_id: UUID, now: datetime) -> None:
        self._agent_id, self._now = agent_id, now
        self.ids = Numbered()
        """The ids of memories by their numbers."""

    def remember(self, found: Iterable[Memory]) -> None:
        """What has no vector yet is embedded later. Of texts that are equal the first is what others merge into."""
        sql.require_transaction("bringing memories")
        vectors.register()
        sql.copy("memory_nodes", _MEMORIES, self._memories(found))

    def tie(self, found: Iterable[Edge]) -> None:
        """Edges, with ids of their own."""
        edges = (
            (new_raw_id(), self.ids[e.source], self.ids[e.target], e.relation, e.strength, e.inserted_at, self._now)
            for e in found
        )
        sql.copy("memory_edges", _EDGES, edges)

    def name(self, found: Iterable[Entity]) -> None:
        """Entities, with their names and the memories that name them."""
        me, now = self._agent_id, self._now
        for batch in _batches(found):
            known = [(new_id(), entity) for entity in batch]
            sql.copy("memory_entities", _ENTITIES, [(one, me, e.name, e.kind, now, now) for one, e in known])
            sql.copy("memory_entity_aliases", _ALIASES, [(me, alias, one) for one, e in known for alias in e.aliases])
            mentions = ((one, self.ids[number]) for one, e in known for number in e.memories)
            sql.copy("memory_mentions", _MENTIONS, mentions)

    def know(self, found: Iterable[Fact]) -> None:
        """Facts, those that ended as well."""
        sql.copy("memory_facts", _FACTS, map(self._fact, found))

    def _memories(self, found: Iterable[Memory]) -> Iterator[tuple[Any, ...]]:
        number, seen = 0, set[tuple[bytes, datetime | None]]()
        for batch in _batches(found):
            embedded = embedding.of_memories([m.content for m in batch])
            halves = [HalfVector(v) for v in embedded.halves] if embedded else [None] * len(batch)
            name = embedded.name if embedded else WAITING
            for m, half in zip(batch, halves, strict=True):
                number += 1
                key = (texts.digest(m.content), m.valid_to)
                merges = None if key in seen else key[0]
                seen.add(key)
                yield (
                    self.ids[number], self._agent_id, m.content, merges, signatures.pack(m.content), m.summary, half,
                    name, m.kind, m.importance, m.valence, m.tags, m.source, m.sources, m.seen_count,
                    m.last_seen_at or m.inserted_at, m.access_count, m.valid_from, m.valid_to, m.inserted_at, self._now,
                    m.last_accessed_at,
                )  # fmt: skip

    def _fact(self, fact: Fact) -> tuple[Any, ...]:
        memory = None if fact.memory is None else self.ids[fact.memory]
        subject, relation = fact.key
        return (
            new_id(), self._agent_id, fact.subject, subject, fact.relation, relation, fact.value, memory,
            fact.valid_from, fact.valid_to, fact.inserted_at, self._now,
        )  # fmt: skip


T = TypeVar("T")


def _batches(found: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(found)
    while batch := list(islice(iterator, BATCH)):
        yield batch

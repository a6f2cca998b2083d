"""Near-equal memories of an agent become one. Only what is new is compared, and with what has the same form.

The one that stays has the counts, sources, tags, ties and facts of all, and the first and last time. What somebody
else holds at this moment is left for the next time: nobody is waited for while memories are locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from domains import sql
from memory import metrics
from memory.actions import forgetting
from memory.actions.storing import MOST_TAGS, SOURCES_KEPT
from memory.graph import locks, merging
from memory.upkeep import alike
from memory.upkeep.limits import BY, COMPARED

NEW = """
SELECT m.id, m.content FROM memory_forms f JOIN memory_nodes m ON m.id = f.memory_id
WHERE f.agent_id = %s AND f.form IS NULL ORDER BY f.memory_id LIMIT %s
"""
SHAPE = """
UPDATE memory_forms f SET form = u.form FROM unnest(%b::uuid[], %b::bytea[]) AS u (id, form) WHERE f.memory_id = u.id
"""
AGAIN = "UPDATE memory_forms SET form = NULL WHERE memory_id = ANY(%b::uuid[])"
EQUAL = """
WITH twice AS (
    SELECT form FROM memory_forms WHERE agent_id = %(agent)s AND form = ANY(%(forms)b::bytea[])
    GROUP BY form HAVING count(*) > 1
)
SELECT f.memory_id FROM twice t JOIN memory_forms f ON f.form = t.form AND f.agent_id = %(agent)s
"""
LOCK = """
SELECT m.id, f.form, m.content_hash, m.kind, m.valid_from, m.valid_to, m.inserted_at, m.last_seen_at, m.seen_count,
       m.access_count, m.last_accessed_at, m.importance, m.valence, m.summary, m.tags, m.source, m.sources
FROM memory_nodes m JOIN memory_forms f ON f.memory_id = m.id WHERE m.id = ANY(%b::uuid[])
ORDER BY m.agent_id, m.content_hash, m.valid_to FOR UPDATE OF m SKIP LOCKED
"""
# Both ends of their ties stay while these are moved. Whoever removes one has locked it, and comes first.
NEIGHBOURS = """
SELECT e.source_id, e.target_id FROM memory_edges e
WHERE e.source_id = ANY(%(ids)b::uuid[]) OR e.target_id = ANY(%(ids)b::uuid[])
"""
KEEP = "SELECT id FROM memory_nodes WHERE id = ANY(%b::uuid[]) ORDER BY id FOR KEY SHARE SKIP LOCKED"
TAKE_IN = """
UPDATE memory_nodes m SET seen_count = u.seen_count, inserted_at = u.inserted_at, last_seen_at = u.last_seen_at,
    access_count = u.access_count, last_accessed_at = u.last_accessed_at, valid_from = u.valid_from,
    importance = u.importance, valence = u.valence, summary = u.summary, tags = u.tags, source = u.source,
    sources = u.sources, updated_at = now()
FROM unnest(%b::uuid[], %b::int4[], %b::timestamptz[], %b::timestamptz[], %b::int4[], %b::timestamptz[],
            %b::timestamptz[], %b::float8[], %b::float8[], %b::text[], %b::jsonb[], %b::jsonb[], %b::jsonb[])
     AS u (id, seen_count, inserted_at, last_seen_at, access_count, last_accessed_at, valid_from, importance, valence,
           summary, tags, source, sources)
WHERE m.id = u.id
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A memory as far as merging goes."""

    id: UUID
    form: bytes
    content_hash: bytes | None
    kind: str
    valid_from: datetime | None
    valid_to: datetime | None
    inserted_at: datetime
    last_seen_at: datetime
    seen_count: int
    access_count: int
    last_accessed_at: datetime | None
    importance: float
    valence: float
    summary: str
    tags: list[str]
    source: dict[str, Any]
    sources: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Compared:
    """What one step did. `memories` 0: there is nothing new."""

    memories: int = 0
    merged: int = 0
    left: int = 0
    """Held by somebody, and to be compared again."""


def merge_new(agent_id: UUID) -> Compared:
    """Compare the agent's memories that are new with what is like them, and merge. Needs `state.held`."""
    sql.require_transaction("merging memories")
    new = sql.fetch_rows(NEW, [agent_id, COMPARED])
    if not new:
        return Compared()
    forms = [alike.form(content) for _, content in new]
    sql.execute(SHAPE, [sql.Ids(row[0] for row in new), forms])
    equal = [row[0] for row in sql.fetch_rows(EQUAL, {"agent": agent_id, "forms": forms})]
    if not equal:
        return Compared(len(new))
    locks.hold([agent_id])
    nodes = [Node(*row) for row in sql.fetch_rows(LOCK, [sql.Ids(equal)])]
    busy = set(equal) - {node.id for node in nodes}
    into, held_back = _without_busy_ties(_near(nodes))
    _merge(agent_id, {node.id: node for node in nodes}, into)
    if again := busy | held_back:
        sql.execute(AGAIN, [sql.Ids(again)])
    return Compared(len(new), len(into), len(again))


def _near(nodes: Iterable[Node]) -> dict[UUID, UUID]:
    """From those that go to those that stay: of near-equal ones of one kind that end at one time.

    One with a hash stays rather than an older double, then the one that was stored most often, then the first.
    """
    groups: dict[tuple[object, ...], list[Node]] = defaultdict(list)
    for node in nodes:
        groups[node.form, node.kind, node.valid_to].append(node)
    order = lambda n: (n.content_hash is None, -n.seen_count, n.inserted_at, n.id)  # noqa: E731
    sorted_groups = (sorted(group, key=order) for group in groups.values())
    return {gone.id: kept.id for kept, *others in sorted_groups for gone in others}


def _without_busy_ties(into: dict[UUID, UUID]) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Those whose neighbours could be held, and the others."""
    if not into:
        return into, set()
    ties = sql.fetch_rows(NEIGHBOURS, {"ids": sql.Ids(into)})
    ends = {end for tie in ties for end in tie} | set(into.values())
    free = {row[0] for row in sql.fetch_rows(KEEP, [sql.Ids(ends)])}
    busy = {end for tie in ties if not free.issuperset(tie) for end in tie} & into.keys()
    return {gone: kept for gone, kept in into.items() if gone not in busy}, busy


def _merge(agent_id: UUID, nodes: Mapping[UUID, Node], into: Mapping[UUID, UUID]) -> None:
    if not into:
        return
    groups: dict[UUID, list[UUID]] = defaultdict(list)
    for gone, kept in into.items():
        groups[kept].append(gone)
    rows = [joined(nodes[kept], [nodes[one] for one in gone]) for kept, gone in groups.items()]
    merging.take_over(into)
    sql.execute(TAKE_IN, [list(column) for column in zip(*rows, strict=True)])
    forgetting.remove(agent_id, {f"near_duplicate of {kept}": gone for kept, gone in groups.items()}, by=BY)
    transaction.on_commit(lambda: metrics.near_duplicates.inc(len(into)))


def joined(kept: Node, gone: Sequence[Node]) -> tuple[Any, ...]:
    """What the one that stays has from all, in the order of `TAKE_IN`: as when equal texts are stored."""
    nodes = [kept, *gone]
    in_time = sorted(nodes, key=lambda n: (n.inserted_at, n.id))
    sources = [source for node in in_time for source in (node.source, *node.sources) if source]
    first = in_time[0].source
    later = sources[1:] if first else sources
    since = None
    if any(node.valid_from for node in nodes):
        since = min(node.valid_from or node.inserted_at for node in nodes)
    return (
        kept.id, sum(node.seen_count for node in nodes), in_time[0].inserted_at,
        max(node.last_seen_at for node in nodes), sum(node.access_count for node in nodes),
        max((node.last_accessed_at for node in nodes if node.last_accessed_at), default=None), since,
        max(node.importance for node in nodes), max((node.valence for node in nodes), key=abs),
        next((node.summary for node in nodes if node.summary), ""),
        sql.jsonb(list(dict.fromkeys(tag for node in nodes for tag in node.tags))[:MOST_TAGS]),
        sql.jsonb(first), sql.jsonb(later[-SOURCES_KEPT:]),
    )  # fmt: skip

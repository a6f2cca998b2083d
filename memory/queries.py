"""Finding memories."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from memory import embedding, metrics, vectors
from memory.across.queries import FoundAcross, search_all
from memory.health.queries import Health, health, health_by_world
from memory.models import REFUSED, WAITING, MemoryNode
from memory.search import FIELDS, HELD, Filters, Found, search, search_many

__all__ = [
    "KINDS", "Filters", "Found", "FoundAcross", "Health", "count", "health", "health_by_world", "latest",
    "nearest_many", "search", "search_all", "search_many", "stats",
]  # fmt: skip

KINDS: tuple[str, ...] = tuple(MemoryNode.Kind.values)
"""What sort of memory one can be."""


# Exact, over each agent's rows only, and of those over the ones whose vectors are of the question's embedder. The fence
# keeps the planner from walking a vector index and filtering after.
# Texts of the same words in another order are equally near: the text decides, as ids follow from the wall clock.
NEAREST = f"""
SELECT q.place, f.* FROM unnest(%(agents)b::uuid[], %(vectors)b::halfvec[])
    WITH ORDINALITY AS q (agent_id, vector, place), LATERAL (
    WITH mine AS MATERIALIZED (
        SELECT {FIELDS}, embedding FROM memory_nodes
        WHERE agent_id = q.agent_id AND embedder = %(embedder)s AND {HELD.format(at="%(at)s")}
    )
    SELECT {FIELDS}, 1 - coalesce(nullif(embedding <=> q.vector, 'NaN'), 1) AS score
    FROM mine ORDER BY embedding <=> q.vector, content, id LIMIT %(limit)s
) f ORDER BY q.place, score DESC, content
"""

STATS = f"""
WITH mine AS MATERIALIZED (
    SELECT m.agent_id, m.kind, m.embedder, m.seen_count, m.valid_to, m.inserted_at, m.last_seen_at
    FROM memory_nodes m
    WHERE (%(agent)s::uuid IS NULL OR m.agent_id = %(agent)s) AND (%(world)s::uuid IS NULL OR m.agent_id IN (
        SELECT id FROM pac_agents WHERE world_id = %(world)s))
)
SELECT count(*) AS memories, count(DISTINCT agent_id) AS agents,
       coalesce(sum(seen_count), 0)::int8 AS stored, coalesce(sum(seen_count - 1), 0)::int8 AS merged,
       count(*) FILTER (WHERE embedder = '{WAITING}') AS waiting,
       count(*) FILTER (WHERE embedder LIKE '{REFUSED}%%') AS refused,
       count(*) FILTER (WHERE valid_to <= now()) AS ended,
       min(inserted_at) AS first_at, max(last_seen_at) AS last_at,
       (SELECT coalesce(jsonb_object_agg(kind, n), '{{}}')
        FROM (SELECT kind, count(*) AS n FROM mine GROUP BY kind) k) AS by_kind,
       (SELECT coalesce(jsonb_object_agg(embedder, n), '{{}}')
        FROM (SELECT embedder, count(*) AS n FROM mine GROUP BY embedder) e) AS by_embedder
FROM mine
"""


def nearest_many(questions: Sequence[tuple[UUID, str]], *, limit: int) -> list[list[Found]]:
    """For each (agent, text) what is nearest in meaning alone, by vectors, best first; `score` is the cosine.

    For ticks: what is found follows from texts only, and from no clock, which every part of `search` but two does.
    Nothing is found while the embedder cannot be asked. One query.
    """
    if not questions:
        return []
    metrics.searches.inc(len(questions))
    found: list[list[Found]] = [[] for _ in questions]
    embedded = embedding.of_questions([text for _, text in questions])
    if embedded is None:
        return found
    vectors.register()
    params = {
        "agents": sql.Ids(agent_id for agent_id, _ in questions), "limit": limit, "at": timezone.now(),
        "vectors": [HalfVector(vector) for vector in embedded.halves], "embedder": embedded.name,
    }  # fmt: skip
    for place, *row in sql.fetch_rows(NEAREST, params):
        found[place - 1].append(Found(*row))
    return found


def latest(
    agent_id: UUID, *, limit: int = 20, kinds: Collection[str] | None = None, as_of: datetime | None = None,
    before: UUID | None = None,
) -> list[MemoryNode]:  # fmt: skip
    """An agent's newest memories, newest first, without their vectors; of some kinds only, or that held `as_of`.

    With `before`, those that come behind that one.
    """
    rows = MemoryNode.objects.filter(agent_id=agent_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if kinds is not None:
        rows = rows.filter(kind__in=kinds)
    if as_of is not None:
        rows = rows.alias(since=Coalesce("valid_from", "inserted_at")).filter(since__lte=as_of)
        rows = rows.filter(Q(valid_to=None) | Q(valid_to__gt=as_of))
    return list(rows.defer("embedding").order_by("-id")[:limit])


def one(agent_id: UUID, memory_id: UUID) -> MemoryNode | None:
    """A memory of an agent without its vector; None when it has none of that id."""
    return MemoryNode.objects.filter(agent_id=agent_id, pk=memory_id).defer("embedding").first()


def count(agent_id: UUID) -> int:
    """How many memories an agent has."""
    return MemoryNode.objects.filter(agent_id=agent_id).count()


def stats(agent_id: UUID | None = None, world_id: UUID | None = None) -> dict[str, Any]:
    """Counts of an agent's memories, of a world's, or of all. One query, over all of those rows.

    `merged` are stores that went into an equal memory; `waiting` have no vector yet, `refused` will get none.
    """
    return sql.fetch(STATS, {"agent": agent_id, "world": world_id})[0]

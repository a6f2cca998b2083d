"""Searching the memories of all agents at once, for operators and tools. Nearest in meaning first; reads, no writes.

Nothing here asks who may see whose memories: whoever calls it does.

From some number of rows on there is an IVFFlat index for the embedder in use (`memory.across.upkeep`). The beginnings
of vectors lie in lists, and a search reads the lists whose middles are nearest to the question's. With a filter the
scan goes on to further lists until it has enough. Among those whose beginnings are nearest, the whole vectors decide.
Below that number all rows are read, and what is found is exact.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from memory import embedding, metrics, owners, vectors
from memory.across import index
from memory.errors import InvalidQuestion, VaultError
from memory.models import MemoryNode

MOST = 1000
"""Results of one search."""
LONGEST = 10_000
"""Characters of a question."""
CANDIDATES, MORE = 200, 2
"""Least that is compared by whole vectors, and how many times the results that are wanted. Twice as many find no more;
of a filter's few, the nearest often lie in lists that the scan comes to later."""

# `order` is the index's own expression, or for an exact search one that no index has. What is read is narrow until the
# best are known. Texts without words have no direction, and would be near to all beginnings.
SEARCH = """
WITH near AS MATERIALIZED (
    SELECT m.id, m.distance FROM (
        SELECT id, embedding <=> %(vector)s AS distance FROM memory_nodes
        WHERE embedder = %(embedder)s AND l2_norm(embedding) > 0
          AND coalesce(valid_from, inserted_at) <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s)
          AND (%(agents)s::uuid[] IS NULL OR agent_id = ANY(%(agents)s::uuid[]))
          AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s::text[]))
          AND (%(tags)s::jsonb IS NULL OR tags @> %(tags)s::jsonb)
        ORDER BY {order} LIMIT %(candidates)s
    ) m
)
SELECT m.id, m.agent_id, a.name, w.name, m.content, m.kind, m.importance, m.valence, m.tags, m.source, m.inserted_at,
       1 - n.distance AS score
FROM near n
JOIN memory_nodes m ON m.id = n.id JOIN pac_agents a ON a.id = m.agent_id JOIN worlds w ON w.id = a.world_id
ORDER BY n.distance, m.content, m.id LIMIT %(limit)s
"""
NEAREST = "{stored} <-> {asked}"
WHOLE = "embedding::halfvec({dimensions}) <=> %(vector)s"
EXACT = "embedding <=> %(vector)s"

# For this transaction only. Relaxed order is quicker; the order is made good afterwards.
SCAN = """
SELECT set_config('ivfflat.probes', %s::text, true), set_config('ivfflat.iterative_scan', 'relaxed_order', true)
"""


class NoVector(VaultError):
    """The embedder gives no vector of the question now, and words alone are not searched across agents."""

    code = "unavailable"


@dataclass(frozen=True, slots=True)
class FoundAcross:
    """A memory of some agent. `score` is the cosine similarity to the question, −1 to 1."""

    id: UUID
    agent_id: UUID
    agent: str
    world: str
    content: str
    kind: str
    importance: float
    valence: float
    tags: list[str]
    source: dict[str, object]
    inserted_at: datetime
    score: float


def search_all(
    text: str,
    *,
    limit: int = 10,
    world_id: UUID | None = None,
    agents: Collection[UUID] | None = None,
    kinds: Collection[str] | None = None,
    tags: Collection[str] | None = None,
    as_of: datetime | None = None,
    exact: bool = False,
) -> list[FoundAcross]:
    """Memories of all agents nearest in meaning to `text`, of those that hold now or held `as_of`, best first.

    Only of a world, of some agents, of any of `kinds`, with all of `tags`; an empty collection of agents or kinds is
    nobody's and none. `exact` compares with every row, which takes a second a million; otherwise some of the nearest
    may be missing (`docs/concepts/memory.md` says how many). Memories that wait for a vector, and texts without a word
    in them, are not found. One short transaction of up to three statements, and one query more for a
    world.

    Raises: InvalidQuestion; NoVector when the embedder is away, or a remote one is asked within a transaction.
    """
    _check(text, limit, kinds, tags, as_of)
    if (agents is not None and not agents) or (kinds is not None and not kinds):
        return []
    metrics.searches_across.inc()
    embedded = embedding.of_questions([text])
    if embedded is None:
        raise NoVector(
            "there is no vector of the question now, and words alone are not searched across agents: "
            "try again later, or search the memories of one agent"
        )
    if not embedded.halves.any():
        return []  # nothing is near to a question without words
    at = as_of or timezone.now()
    params = {
        "embedder": embedded.name, "vector": HalfVector(embedded.halves[0]), "at": at, "limit": limit,
        "agents": _agents(world_id, agents), "kinds": None if kinds is None else list(kinds),
        "tags": sql.jsonb(list(tags)) if tags else None,
        "candidates": limit if exact else max(MORE * limit, CANDIDATES),
    }  # fmt: skip
    return [FoundAcross(*row) for row in _rows(params, embedded.halves.shape[1], exact=exact)]


def statement(dimensions: int | None, *, whole: bool = False) -> str:
    """The search by the index over vectors of so many dimensions, or over `whole` ones; None: by none."""
    if dimensions is None:
        return SEARCH.format(order=EXACT)
    if whole:
        return SEARCH.format(order=WHOLE.format(dimensions=int(dimensions)))
    stored, asked = (index.beginning(vector, dimensions) for vector in ("embedding", "%(vector)s::halfvec"))
    return SEARCH.format(order=NEAREST.format(stored=stored, asked=asked))


def _rows(params: dict[str, Any], dimensions: int, *, exact: bool) -> list[tuple[Any, ...]]:
    vectors.register()
    with transaction.atomic():
        scan = None if exact else index.scan(params["embedder"], read=settings.MEMORY_INDEX["read"])
        if scan is None:
            return sql.fetch_rows(statement(None), params, prepare=False)
        sql.fetch_rows(SCAN, [scan.probes])
        # Not prepared: the index is chosen only by a plan that knows the embedder, and a good one only by the filters.
        return sql.fetch_rows(statement(dimensions, whole=scan.whole), params, prepare=False)


def _agents(world_id: UUID | None, agents: Collection[UUID] | None) -> sql.Ids | None:
    """Whose memories may be found; None: everybody's. As values: the planner then knows how many rows they have."""
    if world_id is None:
        return None if agents is None else sql.Ids(set(agents))
    there = owners.of_world(world_id)
    return sql.Ids(there if agents is None else set(there).intersection(agents))


def _check(
    text: str, limit: int, kinds: Collection[str] | None, tags: Collection[str] | None, as_of: datetime | None
) -> None:
    if not text.strip() or len(text) > LONGEST:
        raise InvalidQuestion(f"a question has 1 to {LONGEST:,} characters, and not only white space")
    if not 1 <= limit <= MOST:
        raise InvalidQuestion(f"limit: 1 to {MOST:,}")
    if unknown := set(kinds or ()).difference(MemoryNode.Kind.values):
        raise InvalidQuestion(f"kinds: {min(unknown)!r} is none of {', '.join(MemoryNode.Kind.values)}")
    if not all((text, *(tags or ()))):
        raise InvalidQuestion("tags: each is a text, and not an empty one")
    if "\0" in (said := text + "".join(tags or ())) or said.encode("utf-8", "ignore").decode() != said:
        raise InvalidQuestion("question and tags: no NUL characters and no lone surrogates")
    if as_of is not None and as_of.tzinfo is None:
        raise InvalidQuestion("as_of needs a time zone")

"""Finding memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgvector import HalfVector

from domains import sql
from memory import metrics, vectors
from memory.embedders import embedder
from memory.models import MemoryNode

# Exact, over one agent's rows only. The fence keeps the planner from walking a vector index and filtering after.
# Texts of the same words in another order are equally near: the text decides, as ids follow from the wall clock.
SEARCH = """
WITH mine AS MATERIALIZED (
    SELECT id, content, kind, importance, valence, source, inserted_at, embedding
    FROM memory_nodes WHERE agent_id = %s AND embedding IS NOT NULL
)
SELECT id, content, kind, importance, valence, source, inserted_at,
       1 - coalesce(nullif(embedding <=> %s, 'NaN'), 1) AS score
FROM mine ORDER BY embedding <=> %s, content, id LIMIT %s
"""

# The same for several questions at once, each over its own agent's rows.
SEARCH_MANY = """
SELECT q.place, f.* FROM unnest(%b::uuid[], %b::halfvec[]) WITH ORDINALITY AS q (agent_id, vector, place), LATERAL (
    WITH mine AS MATERIALIZED (
        SELECT id, content, kind, importance, valence, source, inserted_at, embedding
        FROM memory_nodes WHERE agent_id = q.agent_id AND embedding IS NOT NULL
    )
    SELECT id, content, kind, importance, valence, source, inserted_at,
           1 - coalesce(nullif(embedding <=> q.vector, 'NaN'), 1) AS score
    FROM mine ORDER BY embedding <=> q.vector, content, id LIMIT %s
) f ORDER BY q.place, score DESC, content
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One memory that was found. `score` is the cosine similarity to the question, −1 to 1; 0 when one is empty."""

    id: UUID
    content: str
    kind: str
    importance: float
    valence: float
    source: dict[str, object]
    inserted_at: datetime
    score: float


def search(agent_id: UUID, text: str, *, limit: int = 10) -> list[Found]:
    """An agent's memories nearest in meaning to `text`, best first. Exact; one query."""
    vector = HalfVector(vectors.halves(embedder().embed([text]))[0])
    vectors.register()
    metrics.searches.inc()
    return [Found(*row) for row in sql.fetch_rows(SEARCH, [agent_id, vector, vector, limit])]


def search_many(questions: Sequence[tuple[UUID, str]], *, limit: int) -> list[list[Found]]:
    """For each (agent, text) that agent's memories nearest in meaning, best first. Exact; one query."""
    if not questions:
        return []
    ids, texts = zip(*questions, strict=True)
    asked = [HalfVector(vector) for vector in vectors.halves(embedder().embed(texts))]
    vectors.register()
    metrics.searches.inc(len(questions))
    found: list[list[Found]] = [[] for _ in questions]
    for place, *row in sql.fetch_rows(SEARCH_MANY, [sql.Ids(ids), asked, limit]):
        found[place - 1].append(Found(*row))
    return found


def latest(agent_id: UUID, *, limit: int = 20) -> list[MemoryNode]:
    """An agent's newest memories, newest first, without their vectors."""
    return list(MemoryNode.objects.filter(agent_id=agent_id).defer("embedding").order_by("-id")[:limit])


def count(agent_id: UUID) -> int:
    """How many memories an agent has."""
    return MemoryNode.objects.filter(agent_id=agent_id).count()

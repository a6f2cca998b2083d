"""Finding memories."""

from __future__ import annotations

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


def latest(agent_id: UUID, *, limit: int = 20) -> list[MemoryNode]:
    """An agent's newest memories, newest first, without their vectors."""
    return list(MemoryNode.objects.filter(agent_id=agent_id).defer("embedding").order_by("-id")[:limit])


def count(agent_id: UUID) -> int:
    """How many memories an agent has."""
    return MemoryNode.objects.filter(agent_id=agent_id).count()

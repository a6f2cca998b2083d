"""What insights rest upon: causal ties from an insight that was just stored to its evidence.

Written within ticks, so it waits for nobody: it takes no lock of the graph, and leaves out evidence that somebody
removes or changes at this moment. That is safe for a memory that nobody else can see yet: no other writer has ties of
it. Ties beyond the most that a memory may have go when the graph next links it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domains import sql
from domains.ids import new_id
from memory import texts

IN_MIND, FOUND = 0.8, 0.5
"""Strength of a tie to what was in mind, and to what was searched for."""

TIE = """
WITH wanted AS MATERIALIZED (
    SELECT u.edge_id, u.source_id, u.agent_id, u.strength, coalesce(u.target_id, m.id) AS target_id
    FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::bytea[], %b::uuid[], %b::float8[])
        AS u (edge_id, source_id, agent_id, content_hash, target_id, strength)
    LEFT JOIN memory_nodes m ON m.agent_id = u.agent_id AND m.content_hash = u.content_hash AND m.valid_to IS NULL
), free AS MATERIALIZED (
    SELECT id, agent_id FROM memory_nodes
    WHERE id IN (SELECT target_id FROM wanted UNION SELECT source_id FROM wanted)
    ORDER BY agent_id, content_hash, valid_to FOR KEY SHARE SKIP LOCKED
)
INSERT INTO memory_edges (id, source_id, target_id, relation, strength, inserted_at, updated_at)
SELECT DISTINCT ON (w.source_id, w.target_id)
       w.edge_id, w.source_id, w.target_id, 'causal', w.strength, now(), now()
FROM wanted w
JOIN free s ON s.id = w.source_id AND s.agent_id = w.agent_id
JOIN free t ON t.id = w.target_id AND t.agent_id = w.agent_id
WHERE w.source_id <> w.target_id
ORDER BY w.source_id, w.target_id, w.strength DESC
ON CONFLICT (source_id, target_id, relation) DO NOTHING
RETURNING source_id, target_id
"""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an insight of an agent rests upon: texts of its memories, and ids of others."""

    insight_id: UUID
    agent_id: UUID
    texts: tuple[str, ...] = ()
    ids: tuple[UUID, ...] = ()


def ground(insights: Sequence[Grounds]) -> dict[UUID, list[UUID]]:
    """Tie insights, stored in this transaction, to their evidence; returns by insight which memories that is.

    One statement; waits for nobody. Evidence that is gone, closed, another agent's or locked is left out.
    """
    sql.require_transaction("tying an insight to its evidence")
    rows: list[tuple[UUID, UUID, UUID, bytes | None, UUID | None, float]] = []
    for one in insights:
        head = (one.insight_id, one.agent_id)
        rows += [(new_id(), *head, texts.digest(text), None, IN_MIND) for text in one.texts]
        rows += [(new_id(), *head, None, node_id, FOUND) for node_id in one.ids]
    tied: dict[UUID, list[UUID]] = defaultdict(list)
    if rows:
        for source_id, target_id in sql.fetch_rows(TIE, [list(column) for column in zip(*rows, strict=True)]):
            tied[source_id].append(target_id)
    return dict(tied)

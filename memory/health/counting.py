"""Counting for a few agents at once: over their rows, and over the newest of their texts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domains import sql
from memory.health.rates import Rates
from memory.upkeep import alike

UNIMPORTANT = 0.5
UNMOVING = 0.4
"""Below these a memory that was never recalled is junk."""
LOOKED_AT = 256
"""Newest memories of an agent among which near-duplicates are looked for; of more the share is taken for all."""

COUNT = """
SELECT u.agent_id, coalesce(n.memories, 0), coalesce(n.stored, 0), coalesce(n.junk, 0),
       coalesce(r.recalls, 0), coalesce(r.hits, 0)
FROM unnest(%(agents)b::uuid[]) AS u (agent_id)
LEFT JOIN memory_recalls r ON r.agent_id = u.agent_id
LEFT JOIN LATERAL (
    SELECT count(*) AS memories, sum(seen_count)::int8 AS stored,
           count(*) FILTER (WHERE access_count = 0 AND importance < %(unimportant)s AND abs(valence) < %(unmoving)s)
               AS junk
    FROM memory_nodes WHERE agent_id = u.agent_id
) n ON true
ORDER BY u.agent_id
"""

# What upkeep has compared has its form already.
NEWEST = """
SELECT u.agent_id, f.form, CASE WHEN f.form IS NULL THEN m.content END, m.kind, m.valid_to
FROM unnest(%(agents)b::uuid[]) AS u (agent_id), LATERAL (
    SELECT id, content, kind, valid_to FROM memory_nodes WHERE agent_id = u.agent_id ORDER BY id DESC LIMIT %(limit)s
) m LEFT JOIN memory_forms f ON f.memory_id = m.id
"""


@dataclass(slots=True)
class Counts(Rates):
    """What was counted of one agent's memories, or of several agents'."""

    memories: int = 0
    stored: int = 0
    merged: int = 0
    near_duplicates: int = 0
    junk: int = 0
    recalls: int = 0
    hits: int = 0


def count(agent_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """The counts of each. Two queries, over all of their rows: for tens of agents, not for all."""
    if not agent_ids:
        return {}
    params = {"agents": sql.Ids(agent_ids), "unimportant": UNIMPORTANT, "unmoving": UNMOVING}
    found = {
        agent_id: Counts(memories, stored, stored - memories, 0, junk, recalls, hits)
        for agent_id, memories, stored, junk, recalls, hits in sql.fetch_rows(COUNT, params)
    }
    for agent_id, share in _near(agent_ids).items():
        found[agent_id].near_duplicates = round(share * found[agent_id].memories)
    return found


def _near(agent_ids: Sequence[UUID]) -> dict[UUID, float]:
    """Share of near-duplicates among each agent's newest memories: of those that upkeep will merge."""
    by: dict[UUID, list[Hashable]] = {}
    for agent_id, form, content, *rest in sql.fetch_rows(NEWEST, {"agents": sql.Ids(agent_ids), "limit": LOOKED_AT}):
        by.setdefault(agent_id, []).append((form or alike.form(content), *rest))
    return {agent_id: repeated(found) for agent_id, found in by.items()}


def repeated(found: Sequence[Hashable]) -> float:
    """Share of what was there before."""
    return 1 - len(set(found)) / len(found)

"""What faded, and what is above the budget, goes. What others depend on stays.

Kept are: evidence (a `causal` edge leads to it), what a fact is from, a summary while something is left of what it
stands for, what is weighty, and what waits to be summed up. Above the budget goes first what a summary stands for,
then the faintest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from domains import sql
from memory import metrics
from memory.actions import forgetting
from memory.graph import locks
from memory.upkeep.limits import BY, REMOVED, WEIGHTY, Limits
from memory.upkeep.salience import SALIENCE

FADED, OVER = "faded", "over_budget"

_FREE = f"""m.importance < {WEIGHTY}
  AND NOT EXISTS (SELECT 1 FROM unnest(%(awaiting)b::uuid[]) AS w (id) WHERE w.id = m.id)
  AND NOT EXISTS (SELECT 1 FROM memory_edges e
      WHERE e.target_id = m.id AND e.relation = 'causal')
  AND NOT EXISTS (SELECT 1 FROM memory_facts f WHERE f.memory_id = m.id)
  AND NOT (m.kind = 'semantic' AND EXISTS (
      SELECT 1 FROM memory_edges e WHERE e.source_id = m.id AND e.relation = 'hierarchical'))"""
FAINT = f"""
WITH faint AS MATERIALIZED (
    SELECT id, importance, kind, salience FROM (
        SELECT id, importance, kind, {SALIENCE} AS salience FROM memory_nodes WHERE agent_id = %(agent)s) s
    WHERE salience < %(floor)s
)
SELECT m.id FROM faint m WHERE {_FREE} ORDER BY m.salience, m.id LIMIT %(most)s
"""
COUNT = "SELECT count(*) FROM memory_nodes WHERE agent_id = %s"
EXCESS = f"""
WITH mine AS MATERIALIZED (
    SELECT id, importance, kind, {SALIENCE} AS salience FROM memory_nodes WHERE agent_id = %(agent)s
)
SELECT m.id FROM mine m WHERE {_FREE}
ORDER BY NOT EXISTS (SELECT 1 FROM memory_edges e
    WHERE e.target_id = m.id AND e.relation = 'hierarchical'),
  m.salience, m.id LIMIT %(most)s
"""
LOCK = """
SELECT id FROM memory_nodes WHERE id = ANY(%b::uuid[])
ORDER BY agent_id, content_hash, valid_to FOR UPDATE SKIP LOCKED
"""
# Once more, now that nobody can lean on them any longer.
STILL = f"SELECT m.id FROM memory_nodes m WHERE m.id = ANY(%(ids)b::uuid[]) AND {_FREE}"
STILL_FAINT = f"{STILL} AND {SALIENCE} < %(floor)s"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one step did. `over`: how many are above the budget still. `more`: another step would find some."""

    faded: int = 0
    excess: int = 0
    over: int = 0
    more: bool = False


def over_budget(agent_id: UUID, budget: int) -> int:
    """How many memories the agent has above its budget. One query."""
    return max(0, int(sql.fetch_rows(COUNT, [agent_id])[0][0]) - budget)


def prune(agent_id: UUID, limits: Limits, *, now: datetime, awaiting: Collection[UUID]) -> Pruned:
    """Remove up to a batch of what faded, then up to a batch of what is too much. Needs `state.held`."""
    sql.require_transaction("pruning memories")
    values: dict[str, Any] = {
        "agent": agent_id, "now": now, "half_life_s": limits.half_life.total_seconds(), "floor": limits.floor,
        "awaiting": list(awaiting), "most": REMOVED,
    }  # fmt: skip
    locks.hold([agent_id])
    faded = _remove(agent_id, FAINT, STILL_FAINT, values, FADED, f"faded below {limits.floor:g}")
    over, excess = over_budget(agent_id, limits.budget), 0
    if over:
        values["most"] = min(over, REMOVED)
        excess = _remove(agent_id, EXCESS, STILL, values, OVER, f"over the budget of {limits.budget:,}")
    return Pruned(faded, excess, over - excess, more=faded == REMOVED or (excess > 0 and over > excess))


def _remove(agent_id: UUID, query: str, still: str, values: dict[str, Any], why: str, reason: str) -> int:
    found = [row[0] for row in sql.fetch_rows(query, values)]
    mine = [row[0] for row in sql.fetch_rows(LOCK, [sql.Ids(found)])] if found else []
    gone = [row[0] for row in sql.fetch_rows(still, {**values, "ids": mine})] if mine else []
    if gone:
        forgetting.remove(agent_id, {reason: gone}, by=BY)
        transaction.on_commit(lambda: metrics.pruned.labels(why).inc(len(gone)))
    return len(gone)

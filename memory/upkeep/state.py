"""Which agent is looked after when: claimed one at a time, the one that is due for longest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from domains import sql
from memory.graph.rules import COMPARED_WITHIN
from memory.upkeep.limits import LEASE

CLAIM = """
UPDATE memory_upkeep u SET leased_until = now() + %(lease)s
FROM (SELECT agent_id FROM memory_upkeep
      WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
      ORDER BY due_at, agent_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) d
WHERE u.agent_id = d.agent_id
RETURNING u.agent_id, u.settled_at IS NULL OR u.settled_at <= now() - %(every)s
"""
HOLD = "SELECT 1 FROM memory_upkeep WHERE agent_id = %s FOR NO KEY UPDATE"
HOLD_FREE = HOLD + " SKIP LOCKED"
KNOW = "INSERT INTO memory_upkeep (agent_id, due_at, over_budget) VALUES (%s, now(), 0) ON CONFLICT DO NOTHING"

# Who is not done is due again behind those who wait already; who has memories to compare, in a while.
FINISH = """
UPDATE memory_upkeep u SET leased_until = NULL, looked_after_at = now(), over_budget = %(over)s,
    settled_at = CASE WHEN %(settled)s THEN now() ELSE settled_at END,
    due_at = CASE WHEN %(more)s THEN now() WHEN EXISTS (
        SELECT 1 FROM memory_forms f WHERE f.agent_id = u.agent_id AND f.form IS NULL
    ) THEN now() + %(soon)s ELSE
        CASE WHEN %(settled)s THEN now() ELSE coalesce(settled_at, now()) END + %(every)s END
WHERE agent_id = %(agent)s
"""
# Those who have nothing (left) need no looking after; their next memory makes them known again.
GONE = """
DELETE FROM memory_upkeep WHERE agent_id = %s AND NOT EXISTS (
    SELECT 1 FROM memory_nodes m WHERE m.agent_id = memory_upkeep.agent_id)
"""
DUE = "SELECT EXISTS (SELECT 1 FROM memory_upkeep WHERE due_at <= now() AND coalesce(leased_until <= now(), true))"
KNOWN = "SELECT agent_id FROM memory_upkeep ORDER BY due_at, agent_id"

MOST_COUNTED = 100_000
STANDING = f"""
SELECT (SELECT count(*) FROM (SELECT 1 FROM memory_unlinked LIMIT {MOST_COUNTED}) l),
       (SELECT count(*) FROM (SELECT 1 FROM memory_forms WHERE form IS NULL LIMIT {MOST_COUNTED}) c),
       (SELECT count(*) FROM (SELECT 1 FROM memory_nodes WHERE embedder = '' LIMIT {MOST_COUNTED}) e),
       count(*), count(*) FILTER (WHERE due_at <= now()),
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)::float8,
       coalesce(sum(over_budget), 0)::int8
FROM memory_upkeep
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far upkeep is behind. What waits is counted to a hundred thousand each."""

    to_link: int
    to_compare: int
    to_embed: int
    agents: int
    due: int
    """Agents."""
    lag_s: float
    """For how long the first of them has been due."""
    over_budget: int
    """Memories above the budgets that others depend on."""


class Elsewhere(Exception):
    """Another process looks after the agent at this moment."""


def claim(every: timedelta) -> tuple[UUID, bool] | None:
    """The agent that has been due for longest, and whether its episodes and budget are to be looked at too."""
    found = sql.fetch_rows(CLAIM, {"lease": LEASE, "every": every})
    return found[0] if found else None


def any_due() -> bool:
    """Whether somebody is due. One query, by the index."""
    return bool(sql.fetch_rows(DUE)[0][0])


def known() -> Sequence[UUID]:
    """All agents that are looked after, those that are due first."""
    return [row[0] for row in sql.fetch_rows(KNOWN)]


def standing() -> Standing:
    """One query."""
    return Standing(*sql.fetch_rows(STANDING)[0])


@contextmanager
def held(agent_id: UUID, *, wait: bool = False) -> Iterator[None]:
    """A transaction in which nobody else looks after the agent. The first lock that it takes. Raises: Elsewhere."""
    with transaction.atomic():
        if wait:
            sql.execute(KNOW, [agent_id])
        if not sql.fetch_rows(HOLD if wait else HOLD_FREE, [agent_id]):
            raise Elsewhere(f"another process looks after agent {agent_id}")
        yield


def finish(agent_id: UUID, *, settled: bool, more: bool, over: int, every: timedelta) -> None:
    """Let an agent be due again. Two statements in a transaction."""
    values: dict[str, Any] = {
        "agent": agent_id, "settled": settled, "more": more, "over": over, "every": every, "soon": COMPARED_WITHIN,
    }  # fmt: skip
    with transaction.atomic():
        sql.execute(FINISH, values)
        sql.execute(GONE, [agent_id])

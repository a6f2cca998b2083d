"""Refreshing the figures, round robin: the oldest first, a few agents at a time, for as long as there is time.

Safe to run twice at once: agents are taken with SKIP LOCKED. It locks only its own table, which no tick writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from domains import sql
from memory.health import counting
from memory.models.health import NEVER

EVERY = timedelta(minutes=10)
"""How old figures become before they are counted anew."""
BATCH = 20
"""Agents of one transaction: their rows are all read."""
MOST_NEW = 10_000

ADD = """
INSERT INTO memory_health (agent_id, memories, stored, merged, near_duplicates, junk, recalls, hits, refreshed_at)
SELECT a.id, 0, 0, 0, 0, 0, 0, 0, %(never)s FROM pac_agents a
WHERE NOT EXISTS (SELECT FROM memory_health h WHERE h.agent_id = a.id) LIMIT %(limit)s
ON CONFLICT DO NOTHING
"""
TAKE = """
SELECT agent_id FROM memory_health WHERE refreshed_at <= %(until)s
ORDER BY refreshed_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""
WRITE = """
UPDATE memory_health h SET memories = u.memories, stored = u.stored, merged = u.merged,
    near_duplicates = u.near_duplicates, junk = u.junk, recalls = u.recalls, hits = u.hits, refreshed_at = %(now)s
FROM unnest(%(agents)b::uuid[], %(memories)b::int8[], %(stored)b::int8[], %(merged)b::int8[],
            %(near_duplicates)b::int8[], %(junk)b::int8[], %(recalls)b::int8[], %(hits)b::int8[])
     AS u (agent_id, memories, stored, merged, near_duplicates, junk, recalls, hits)
WHERE h.agent_id = u.agent_id
"""
# A world is as fresh as the figures of its agents that are oldest.
SUM = """
INSERT INTO memory_health_worlds AS w
    (world_id, memories, stored, merged, near_duplicates, junk, recalls, hits, refreshed_at)
SELECT a.world_id, sum(h.memories), sum(h.stored), sum(h.merged), sum(h.near_duplicates), sum(h.junk),
       sum(h.recalls), sum(h.hits), min(h.refreshed_at)
FROM memory_health h JOIN pac_agents a ON a.id = h.agent_id GROUP BY a.world_id ORDER BY a.world_id
ON CONFLICT (world_id) DO UPDATE SET memories = excluded.memories, stored = excluded.stored, merged = excluded.merged,
    near_duplicates = excluded.near_duplicates, junk = excluded.junk, recalls = excluded.recalls,
    hits = excluded.hits, refreshed_at = excluded.refreshed_at
"""
EMPTIED = """
DELETE FROM memory_health_worlds w
WHERE NOT EXISTS (SELECT FROM pac_agents a WHERE a.world_id = w.world_id)
"""
FIELDS = ("memories", "stored", "merged", "near_duplicates", "junk", "recalls", "hits")


@dataclass(slots=True)
class Done:
    """What one stint did. `more`: there was no time for all."""

    agents: int = 0
    more: bool = False


def refresh(
    *, now: datetime, seconds: float, every: timedelta = EVERY, clock: Callable[[], float] = time.monotonic
) -> Done:
    """Count anew what is older than `every`, in transactions of a few agents; none begins after `seconds`.

    Worlds are summed up once at the end, when anything was counted.
    """
    until, done = clock() + seconds, Done()
    with transaction.atomic():
        sql.execute(ADD, {"limit": MOST_NEW, "never": NEVER})
    while counted := _batch(now, now - every):
        done.agents += counted
        if clock() >= until:
            done.more = True
            break
    if done.agents:
        with transaction.atomic():
            sql.execute(SUM)
            sql.execute(EMPTIED)
    return done


def _batch(now: datetime, until: datetime) -> int:
    with transaction.atomic():
        taken: list[UUID] = [row[0] for row in sql.fetch_rows(TAKE, {"until": until, "limit": BATCH})]
        found = counting.count(taken)
        if found:
            columns = {name: sql.Integers(getattr(one, name) for one in found.values()) for name in FIELDS}
            sql.execute(WRITE, {"agents": sql.Ids(found), "now": now, **columns})
    return len(taken)

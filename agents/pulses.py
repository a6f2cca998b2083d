"""How a world did: a row each ten heartbeats with how many of its agents live, tick, and how they are on the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from agents.models import WorldPulse
from domains import sql

EVERY = 10
"""Heartbeats from one row to the next."""
KEPT = timedelta(hours=24)

# One look at all agents, which is why it is not done at every heartbeat. A tick that is not done yet counts with what
# it has taken by now, where that is more than what the last one took: nothing else would show that a world is stuck.
TAKE = """
INSERT INTO world_pulses (world_id, at, world_tick, agents, ticks, took_ms, mood, energy)
SELECT w.id, %(at)s, w.tick, counted.agents, counted.ticks,
       CASE WHEN w.status = 'running'
            THEN greatest(w.took_ms, extract(epoch FROM clock_timestamp() - w.timed_from) * 1000) END,
       counted.mood, counted.energy
FROM worlds w JOIN (
    SELECT world_id, count(*) FILTER (WHERE lifecycle = 'active') AS agents, sum(tick_number) AS ticks,
           coalesce(avg(mood) FILTER (WHERE lifecycle = 'active'), 0) AS mood,
           coalesce(avg(energy) FILTER (WHERE lifecycle = 'active'), 0) AS energy
    FROM pac_agents GROUP BY world_id
) counted ON counted.world_id = w.id
"""


@dataclass(frozen=True, slots=True)
class History:
    """Rows of a world, oldest first. `at`: seconds since 1970; `ticks_per_s` is None where the world began anew.

    `took_ms`: from the instant that a tick was due until all of it was committed; None while the world was paused.
    """

    at: Sequence[float]
    ticks_per_s: Sequence[float | None]
    took_ms: Sequence[float | None]
    mood: Sequence[float]
    energy: Sequence[float]


def take(at: datetime) -> None:
    """Write down how all worlds do; forget what is older than a day. Two statements."""
    sql.execute(TAKE, {"at": at})
    WorldPulse.objects.filter(at__lt=at - KEPT).delete()


def history(world_id: UUID, *, since: datetime) -> History:
    """How a world did since then. One query."""
    rows = list(
        WorldPulse.objects.filter(world_id=world_id, at__gte=since)
        .order_by("at")
        .values_list("at", "ticks", "took_ms", "mood", "energy")
    )
    at = [row[0].timestamp() for row in rows]
    rates: list[float | None] = [None] if rows else []
    rates += [
        round((b[1] - a[1]) / (to - since), 2) if b[1] >= a[1] and to > since else None
        for (a, b), (since, to) in zip(pairwise(rows), pairwise(at), strict=True)
    ]
    took = [None if row[2] is None else round(row[2], 1) for row in rows]
    return History(at, rates, took, [round(row[3], 3) for row in rows], [round(row[4], 1) for row in rows])

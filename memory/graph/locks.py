"""One writer of an agent's graph at a time. Memories themselves are never locked: ticks do not wait for the graph."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID
from zlib import crc32

from domains import sql

# Agents share locks by chance, which is no harm. In the order of their numbers, so that nobody waits in a circle.
HOLD = "SELECT pg_advisory_xact_lock(1163284302, number) FROM unnest(%b::int4[]) AS number"


def hold(agent_ids: Iterable[UUID]) -> None:
    """Hold the agents' graphs until the transaction ends. Take all that are needed at once. One statement."""
    sql.require_transaction("changing the graph")
    numbers = sorted({crc32(agent_id.bytes) - 2**31 for agent_id in agent_ids})
    if numbers:
        sql.fetch_rows(HOLD, [numbers])

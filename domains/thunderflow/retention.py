"""The event log as a store: whole leaves go, never one that a subscriber has not passed."""

from __future__ import annotations

from datetime import datetime

from domains import sql
from domains.leaves import Leaf, LeafStore
from domains.retention import Holder, Limits, Piece, register
from domains.thunderflow import queries
from domains.thunderflow.subscribers.leases import in_use

# The first position that each subscription still needs. One that no code declares holds nothing, unless it is paused or
# somebody worked at it within a day, whatever others declare: its machine may only be away. A dead letter has its event
# with it.
NEEDS = f"""
SELECT s.name, least(
    coalesce((SELECT min(c.position) FROM event_cursors c WHERE c.subscription_id = s.id), 0) + 1,
    (SELECT min(p.position) FROM event_parked_streams p WHERE p.subscription_id = s.id))
FROM event_subscriptions s WHERE s.declared OR s.paused OR {in_use("1 day")} ORDER BY s.name
"""


class EventLog(LeafStore):
    """`events`. The counters of its streams stay."""

    name = table = "events"
    usual = Limits(keep_days=30, max_bytes=10_000_000_000)

    def oldest_at(self) -> datetime | None:
        """When the first event that is kept happened."""
        rows = sql.fetch_rows("SELECT at FROM events ORDER BY position LIMIT 1")
        return rows[0][0] if rows else None

    def pieces(self, leaves: list[Leaf], now: datetime) -> list[Piece]:
        """Leaves after which there already are settled events."""
        settled = queries.settled()
        full = sorted((leaf for leaf in leaves if int(leaf.high) <= settled), key=lambda leaf: int(leaf.low))
        needs = sql.fetch_rows(NEEDS)
        return [_piece(leaf, needs, settled) for leaf in full]


def _piece(leaf: Leaf, needs: list[tuple[str, int]], settled: int) -> Piece:
    newest = sql.fetch_rows(
        "SELECT at FROM events WHERE position >= %s AND position < %s ORDER BY position DESC LIMIT 1",
        [int(leaf.low), int(leaf.high)],
    )
    held_by = tuple(Holder(name, settled - first + 1) for name, first in needs if first < int(leaf.high))
    return Piece(leaf.name, leaf.rows, leaf.bytes, newest[0][0] if newest else None, held_by=held_by)


register(EventLog())

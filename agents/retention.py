"""What agents leave behind for ever: tick logs, which go by whole days, and the records of calls, by rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from django.db import transaction

from agents.minds import calls
from domains import sql
from domains.leaves import Leaf, LeafStore, attached
from domains.retention import AGE, SIZE, Busy, Gone, Limits, Piece, Store, Tell, register

PIECES_AT_ONCE = 20
"""Pieces of calls in one go: the rest follows a minute later."""
BESIDE = 500
"""Bytes of a call besides what was said, with its index entries."""


class TickLogs(LeafStore):
    """`tick_logs`: one leaf a day."""

    name = table = "tick_logs"
    usual = Limits(keep_days=30, max_bytes=10_000_000_000)

    def oldest_at(self) -> datetime | None:
        """The beginning of the first day that is kept."""
        if not sql.fetch_rows("SELECT 1 FROM tick_logs LIMIT 1"):
            return None
        return min((_instant(leaf.low) for leaf in attached(self.table) if not leaf.pending), default=None)

    def pieces(self, leaves: list[Leaf], now: datetime) -> list[Piece]:
        """Days (UTC) that are over; a tick that began at midnight may still be writing, so they are so for an hour."""
        over = sorted((_instant(leaf.high), leaf) for leaf in leaves if _instant(leaf.high) <= now - timedelta(hours=1))
        return [Piece(leaf.name, leaf.rows, leaf.bytes, high) for high, leaf in over]


def _instant(bound: str) -> datetime:
    return datetime.fromisoformat(bound).astimezone(UTC)


class Calls(Store):
    """Rows with UUIDv7 keys, `started_at` and `status`; those under way (`open`) stay."""

    table: str
    said: str
    """Its long columns' bytes, in SQL."""

    def size_bytes(self) -> int:
        """The table with its indexes and long values."""
        return int(sql.fetch_rows("SELECT pg_total_relation_size(%s::regclass)", [self.table])[0][0])

    def oldest_at(self) -> datetime | None:
        """When the oldest call was begun."""
        rows = sql.fetch_rows(f"SELECT started_at FROM {self.table} ORDER BY id LIMIT 1")
        return rows[0][0] if rows else None

    def due(self, limits: Limits, now: datetime) -> list[Piece]:
        """Pieces of at most 5,000 calls: those that are too old, by whole hours, else the oldest above the ceiling."""
        live, width = self._rows()
        each = width + BESIDE
        if before := limits.before(now):
            before = before.replace(minute=0, second=0, microsecond=0)
            if old := self._older(before, PIECES_AT_ONCE * calls.FORGOTTEN_AT_ONCE):
                return _batches(old, each, before, AGE)
        if limits.max_bytes is None or live * each <= limits.max_bytes:
            return []
        return _batches(-(-(live * each - limits.max_bytes) // each), each, now, SIZE)

    def _older(self, before: datetime, most: int) -> int:
        query = f"SELECT 1 FROM {self.table} WHERE id < %s AND status <> 'open' ORDER BY id LIMIT %s"
        return int(sql.fetch_rows(f"SELECT count(*) FROM ({query}) AS old", [calls.first_id(before), most])[0][0])

    def _rows(self) -> tuple[int, int]:
        """How many there are, and what old ones take.

        Deleted rows leave room that new ones take, and the file does not shrink: so it is rows that are counted.
        """
        query = f"""
        SELECT greatest(pg_stat_get_live_tuples(%s::regclass), 0), (SELECT coalesce(avg({self.said}), 0)
            FROM (SELECT * FROM {self.table} ORDER BY id LIMIT 200) AS o)
        """
        live, width = sql.fetch_rows(query, [self.table])[0]
        return live, int(width)

    def let_go(self, piece: Piece, tell: Tell) -> None:
        """Delete one batch of the oldest. Raises: Busy."""
        before = piece.newest_at or datetime.now(UTC)
        try:
            with transaction.atomic():
                sql.execute("SET LOCAL lock_timeout = '2s'")
                if rows := calls.forget(before, table=self.table, most=piece.rows):
                    tell(Gone(piece.name, rows, piece.bytes * rows // piece.rows, piece.reason))
        except psycopg.OperationalError as error:
            raise Busy(str(error).strip()) from error


class ModelCalls(Calls):
    """`mind_calls`; what was spent stays counted."""

    name, table = "model_calls", "mind_calls"
    said = "pg_column_size(o.request) + pg_column_size(o.answer)"
    usual = Limits(keep_days=30, max_bytes=2_000_000_000)


class OutsideCalls(Calls):
    """`outside_calls`; what agents were told stays among their messages."""

    name = table = "outside_calls"
    said = "pg_column_size(o.arguments) + pg_column_size(o.result)"
    usual = Limits(keep_days=30, max_bytes=1_000_000_000)


def _batches(rows: int, each: int, before: datetime, reason: str) -> list[Piece]:
    name = f"calls before {before:%Y-%m-%d %H:%M}" if reason == AGE else "the oldest calls"
    step = calls.FORGOTTEN_AT_ONCE
    counts = [min(step, rows - done) for done in range(0, rows, step)][:PIECES_AT_ONCE]
    return [Piece(name, count, count * each, before, reason) for count in counts]


register(TickLogs())
register(ModelCalls())
register(OutsideCalls())

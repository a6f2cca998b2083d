"""The audit trail as a store: its oldest rows go in batches, none before it is a day old."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from django.db import transaction

from domains import sql
from domains.retention import AGE, SIZE, Busy, Gone, Limits, Piece, Store, Tell, register

AT_ONCE = 5000
PIECES_AT_ONCE = 20

SIZE_ON_DISK = "SELECT pg_total_relation_size('audit_log')"
OLDEST = "SELECT at FROM audit_log ORDER BY id LIMIT 1"
ROWS = "SELECT greatest(pg_stat_get_live_tuples('audit_log'::regclass), 0)"
OLD = "SELECT count(*) FROM (SELECT 1 FROM audit_log WHERE at < %s LIMIT %s) AS old"
BY_RETENTION = "SELECT set_config('thunderline.audit_hand', 'retention', true)"
FORGET = """
DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < %s ORDER BY id LIMIT %s)
"""
USUAL_BYTES = 600
"""Of a row with its index entries, when there are too few to say."""


class AuditTrail(Store):
    """`audit_log`."""

    name = "audit"
    usual = Limits(keep_days=730, max_bytes=10_000_000_000)

    def size_bytes(self) -> int:
        """The table with its indexes and long values."""
        return int(sql.fetch_rows(SIZE_ON_DISK)[0][0])

    def oldest_at(self) -> datetime | None:
        """When the first change that is kept was made."""
        rows = sql.fetch_rows(OLDEST)
        return rows[0][0] if rows else None

    def due(self, limits: Limits, now: datetime) -> list[Piece]:
        """Pieces of at most 5,000 rows: those that are too old, else the oldest above the ceiling."""
        whole_day = now - timedelta(days=1, minutes=1)
        live = int(sql.fetch_rows(ROWS)[0][0])
        size = self.size_bytes()
        each = max(1, size // live) if live > AT_ONCE else USUAL_BYTES
        if before := limits.before(now):
            before = min(before, whole_day)
            if old := sql.fetch_rows(OLD, [before, AT_ONCE * PIECES_AT_ONCE])[0][0]:
                return _pieces(old, each, before, AGE)
        # Deleted rows leave room that new ones take, and the file does not shrink: so rows are counted.
        if limits.max_bytes is None or live * each <= limits.max_bytes:
            return []
        above = -(-(live * each - limits.max_bytes) // each)
        old = sql.fetch_rows(OLD, [whole_day, min(above, AT_ONCE * PIECES_AT_ONCE)])[0][0]
        return _pieces(old, each, whole_day, SIZE)

    def let_go(self, piece: Piece, tell: Tell) -> None:
        """Delete one batch of the oldest. Raises: Busy."""
        try:
            with transaction.atomic():
                sql.execute("SET LOCAL lock_timeout = '2s'")
                sql.fetch_rows(BY_RETENTION)
                if rows := sql.execute(FORGET, [piece.newest_at, piece.rows]):
                    tell(Gone(piece.name, rows, piece.bytes * rows // piece.rows, piece.reason))
        except psycopg.OperationalError as error:
            raise Busy(str(error).strip()) from error


def _pieces(rows: int, each: int, before: datetime, reason: str) -> list[Piece]:
    name = f"changes before {before:%Y-%m-%d %H:%M}"
    counts = [min(AT_ONCE, rows - done) for done in range(0, rows, AT_ONCE)][:PIECES_AT_ONCE]
    return [Piece(name, count, count * each, before, reason) for count in counts]


register(AuditTrail())

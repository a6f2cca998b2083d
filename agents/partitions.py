"""Leaves of the tick log, one a day (UTC), made a week ahead."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from domains import sql

DAYS_AHEAD = 7


def ensure_ahead(now: datetime) -> int:
    """See to it that today's leaf and those of the next seven days exist. Returns how many were made."""
    with transaction.atomic():
        sql.execute("SET LOCAL lock_timeout = '2s'")
        rows = sql.fetch_rows("SELECT tick_log_ensure_leaves(%s::timestamptz, %s::int)", [now, DAYS_AHEAD])
        return int(rows[0][0])

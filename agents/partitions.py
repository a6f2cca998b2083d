"""Leaves of the tick log, one a day (UTC), made a week ahead."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.db import transaction

from domains import sql
from domains.thunderflow import partitions as thunderflow

DAYS_AHEAD = 7
LOOK_EVERY_S = 60.0

_looked_at: float | None = None


def ensure_ahead(now: datetime) -> int:
    """See to it that today's leaf and those of the next seven days exist. Returns how many were made."""
    with transaction.atomic():
        sql.execute("SET LOCAL lock_timeout = '2s'")
        rows = sql.fetch_rows("SELECT tick_log_ensure_leaves(%s::timestamptz, %s::int)", [now, DAYS_AHEAD])
        return int(rows[0][0])


def ensure_now_and_then() -> None:
    """Before ticks: see to it, at most once a minute and process, that there is a leaf for what they write."""
    global _looked_at
    if _looked_at is None or time.monotonic() - _looked_at > LOOK_EVERY_S:
        ensure_ahead(datetime.now(UTC))
        thunderflow.ensure_ahead()
        _looked_at = time.monotonic()

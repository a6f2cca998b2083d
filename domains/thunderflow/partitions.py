"""Leaves of the event log, made before they are needed."""

from __future__ import annotations

from django.db import transaction

from domains import sql

LEAF_SIZE = 10_000_000
AHEAD = 4


def ensure_ahead() -> int:
    """See to it that the leaf in use and four empty ones after it exist. Returns how many were made.

    Attaching waits at most two seconds for the table's lock and is tried again at the next heartbeat.
    """
    with transaction.atomic():
        sql.execute("SET LOCAL lock_timeout = '2s'")
        return int(sql.fetch_rows("SELECT event_ensure_leaves(%s::bigint, %s::int)", [LEAF_SIZE, AHEAD])[0][0])

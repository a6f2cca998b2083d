"""Leaves of the event log, made before they are needed."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from domains import sql

AHEAD = 4


def leaf_size() -> int:
    """Positions in a leaf that is made from now on."""
    return settings.CONFIG.event_leaf


def ensure_ahead(size: int | None = None) -> int:
    """See to it that the leaf in use and four empty ones after it exist. Returns how many were made.

    Leaves go on from the highest bound there is, so that the size may change at any time. Attaching waits at most two
    seconds for the table's lock and is tried again at the next heartbeat.
    """
    with transaction.atomic():
        sql.execute("SET LOCAL lock_timeout = '2s'")
        rows = sql.fetch_rows("SELECT event_ensure_leaves(%s::bigint, %s::int)", [size or leaf_size(), AHEAD])
        return int(rows[0][0])


def oldest() -> int:
    """The first position that is still kept, whether or not an event has it. What came before is gone for good."""
    return int(sql.fetch_rows("SELECT greatest(1, min(b.low)) FROM event_leaf_bounds() b")[0][0])


def keep() -> None:
    """Let nothing of the log go until this transaction has ended; waits for retention if that is at work just now.

    To be asked first in it: retention waits for those who have looked at the log.
    """
    sql.execute("SELECT pg_advisory_xact_lock_shared(1163284301, 3)")

"""Tests that really commit. Import `commits` where it is used, beside `@pytest.mark.django_db(transaction=True)`.

Django empties the tables of its models after such a test; those made by hand-written SQL are emptied here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

TABLES = "events, event_streams, tick_logs, heart, heartbeat_ticks"


@pytest.fixture
def commits(transactional_db: None) -> Iterator[None]:
    """An empty log to begin with, and none left behind."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES}; ALTER SEQUENCE event_position_seq RESTART")
        # Only who owns the table can, and only so.
        cursor.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_keep_all; TRUNCATE audit_log;"
                       "ALTER TABLE audit_log ENABLE TRIGGER audit_keep_all")  # fmt: skip

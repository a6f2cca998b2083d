"""An event log with small leaves, so that a test can fill some. Import `small_leaves` where it is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from domains import leaves
from domains.thunderflow import partitions
from domains.thunderflow.actions import publish_many
from tests.integration.thunderflow.told import told

SMALL = 100


@pytest.fixture
def small_leaves(commits: None) -> Iterator[None]:
    """Leaves of 100 positions; at the end those of a new installation."""
    _afresh(SMALL)
    yield
    _afresh(None)


def fill(count: int, stream: str = "test:1") -> None:
    """Publish events, a transaction for each hundred, with leaves made ahead."""
    for first in range(0, count, SMALL):
        partitions.ensure_ahead(SMALL)
        with transaction.atomic():
            publish_many([told(stream, n) for n in range(min(SMALL, count - first))])


def attached(table: str = "events") -> list[str]:
    """Names of the leaves, the oldest first."""
    found = leaves.attached(table)
    return [leaf.name for leaf in sorted(found, key=lambda leaf: (len(leaf.low), leaf.low))]


def _afresh(size: int | None) -> None:
    names = [leaf.name for leaf in leaves.attached("events")] + [name for name, _ in leaves.detached("events")]
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE {name}")
        cursor.execute("ALTER SEQUENCE event_position_seq RESTART")
    partitions.ensure_ahead(size)

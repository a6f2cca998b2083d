"""Subscribers for tests, with rows of their own, worked at by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thunderflow.faults import RetryPolicy
from domains.thunderflow.models import Cursor, DeadLetter, ParkedStream, Subscription
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import Subscriber, leases
from domains.thunderflow.subscribers.shard import Shard
from tests.integration.thunderflow.told import told

QUICK = RetryPolicy(attempts=3, base_s=0.01, cap_s=0.02)


class Refuse(Exception):
    """What a handler raises that will not."""


class Effects:
    """A handler that writes a row an event, in a table that a rollback undoes, and fails when asked to."""

    def __init__(self) -> None:
        self.fails: Callable[[StoredEvent], Exception | None] = lambda event: None
        self.calls: list[list[Any]] = []
        self.events: list[StoredEvent] = []
        sql.execute("CREATE TEMP TABLE IF NOT EXISTS effects (n bigserial, stream text, seq bigint, what text)")

    def __call__(self, events: Sequence[StoredEvent]) -> None:
        self.calls.append([event.payload["what"] for event in events])
        self.events += events
        for event in events:
            sql.execute(
                "INSERT INTO effects (stream, seq, what) VALUES (%s, %s, %s)",
                [event.stream, event.seq, str(event.payload["what"])],
            )
            if error := self.fails(event):
                raise error

    def rows(self, stream: str | None = None) -> list[str]:
        """What took effect, in order."""
        rows = sql.fetch_rows("SELECT stream, what FROM effects ORDER BY n")
        return [what for of, what in rows if stream in (None, of)]


def refusing(*whats: str, error: Callable[[str], Exception] = Refuse) -> Callable[[StoredEvent], Exception | None]:
    return lambda event: error(f"not {event.payload['what']}") if event.payload["what"] in whats else None


def follow(handle: Callable[[Sequence[StoredEvent]], object], **wanted: Any) -> Shard:
    """The first shard of a subscriber from the beginning of the log."""
    shard, *_ = follow_all(handle, **wanted)
    return shard


def follow_all(handle: Callable[[Sequence[StoredEvent]], object], **wanted: Any) -> list[Shard]:
    fields: dict[str, Any] = {"name": "test", "pattern": "test.**", "retry": QUICK, "start": "beginning"} | wanted
    one = Subscriber(handle=handle, **fields)
    leases.declare([one])
    row = Subscription.objects.get(name=one.name)
    return [Shard(one, row.pk, shard) for shard in range(row.shards)]


def tell(*events: NewEvent) -> None:
    with transaction.atomic():
        publish_many(events)


def tell_some(stream: str, *whats: str) -> None:
    tell(*(told(stream, what) for what in whats))


def work(shard: Shard, *, until: Callable[[], bool] | None = None, seconds: float = 10.0) -> None:
    """Let a shard work until it has nothing to do, or until something holds."""
    import time

    deadline = time.monotonic() + seconds
    while True:
        more = shard.run()
        if until is None and not more:
            return
        if until is not None:
            if until():
                return
            time.sleep(0.002)
        assert time.monotonic() < deadline, "did not come about in time"


def settle(shard: Shard) -> None:
    """Let it work until no stream is parked any more."""
    work(shard, until=lambda: not ParkedStream.objects.exists() and cursor() >= last_position())


def cursor(shard: int = 0) -> int:
    return Cursor.objects.get(shard=shard, subscription__name="test").position


def last_position() -> int:
    return sql.fetch_rows("SELECT coalesce(max(position), 0) FROM events WHERE topic LIKE 'test.%%'")[0][0]


def letters(**wanted: Any) -> list[DeadLetter]:
    return list(DeadLetter.objects.filter(**wanted).order_by("position"))

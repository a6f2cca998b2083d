"""Publishing. Call it as late in the transaction as possible: it locks the stream's counter until the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.thunderflow import context, encoding, hints
from domains.thunderflow.payloads import Payload

BEGIN = "SELECT name, seq FROM event_begin(%s::text[], %s::bigint[])"
"""Moves the counters of streams, locked until the commit."""


@dataclass(slots=True)
class NewEvent:
    """An event to be published. What is None is taken from the context (`thunderflow.context`)."""

    stream: str
    topic: str
    payload: Payload
    actor: str | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    priority: int = 0


def publish(event: NewEvent) -> int:
    """Append one event. Returns its `seq`. Raises: domains.sql.NoTransaction."""
    return publish_many([event])[event.stream]


def publish_many(events: Sequence[NewEvent]) -> dict[str, int]:
    """Append events, in this order within each stream, with two round trips. Returns each stream's last `seq`.

    Locks the counters of the streams in the order of their names. Raises: domains.sql.NoTransaction.
    """
    sql.require_transaction("publish")
    if not events:
        return {}
    counts = Counter([event.stream for event in events])
    last = dict(sql.fetch_rows(BEGIN, [list(counts), list(counts.values())]))
    append(events, {stream: seq - counts[stream] for stream, seq in last.items()})
    return last


def append(events: Sequence[NewEvent], seq: dict[str, int]) -> None:
    """Append events to streams whose counters this transaction has moved already, by `event_begin`.

    `seq` holds how far each stream was before, and afterwards how far it is.
    """
    sql.copy_encoded("events", encoding.COLUMNS, _rows(events, seq))
    transaction.on_commit(partial(hints.tell, seq))


def forget_unused(streams: Sequence[str]) -> None:
    """Take away counters that were only locked and never counted. Whoever waits for one makes it anew."""
    sql.execute("DELETE FROM event_streams WHERE name = ANY(%s) AND seq = 0", [list(streams)])


def _rows(events: Sequence[NewEvent], seq: dict[str, int]) -> Iterator[bytes]:
    """Each event's row; `seq` moves on with them."""
    here, node = context.current(), context.node()
    for event in events:
        seq[event.stream] = number = seq[event.stream] + 1
        yield encoding.row(
            number,
            encoding.shared(event.correlation_id or here.correlation_id, event.payload.version, event.priority),
            event.causation_id or here.causation_id,
            event.actor or here.actor,
            node,
            event.stream,
            event.topic,
            event.payload,
        )

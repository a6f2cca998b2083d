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
    rows = sql.fetch_rows(
        "SELECT name, seq FROM event_begin(%s::text[], %s::bigint[])", [list(counts), list(counts.values())]
    )
    last = dict(rows)
    transaction.on_commit(partial(hints.tell, last))
    sql.copy_encoded("events", encoding.COLUMNS, _rows(events, {name: seq - counts[name] for name, seq in rows}))
    return last


def forget_unused(streams: Sequence[str]) -> None:
    """Take away counters that were only locked and never counted. Whoever waits for one makes it anew."""
    sql.execute("DELETE FROM event_streams WHERE name = ANY(%s) AND seq = 0", [list(streams)])


def _rows(events: Sequence[NewEvent], seq: dict[str, int]) -> Iterator[bytes]:
    """Each event's row; `seq` holds how far each stream was before."""
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

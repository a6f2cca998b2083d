"""Reading the log: in order, by pattern, never past what is settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from domains import sql
from domains.thunderflow.patterns import to_regex

FIELDS = """position, seq, at, id, correlation_id, causation_id, event_version, priority,
             stream, topic, actor, node, payload"""
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as the log has it. `at` is aware UTC."""

    position: int
    seq: int
    at: datetime
    id: UUID
    correlation_id: UUID | None
    causation_id: UUID | None
    event_version: int
    priority: int
    stream: str
    topic: str
    actor: str
    node: str
    payload: dict[str, Any]
    redelivered: bool = False
    """Sent again, out of order: a dead letter's second chance, or a replay."""

    def plain(self) -> dict[str, Any]:
        """As JSON: ids and instants become text."""
        return orjson.loads(orjson.dumps(self))

    @classmethod
    def of(cls, kept: Mapping[str, Any], *, redelivered: bool = False) -> StoredEvent:
        """The event that `plain` was made of."""
        values: dict[str, Any] = {name: kept.get(name) for name in cls.__dataclass_fields__}
        for name in ("id", "correlation_id", "causation_id"):
            values[name] = UUID(values[name]) if values[name] else None
        values |= {"at": datetime.fromisoformat(kept["at"]), "redelivered": redelivered}
        return cls(**values)

    def with_payload(self, payload: dict[str, Any]) -> StoredEvent:
        """The same with its payload in another shape."""
        return replace(self, payload=payload)


class Reach:
    """How far ahead to look for so many events: about twice as far as they lay the last time.

    A statement that looks through much more than it returns may be planned as a sort of all of it.
    """

    MOST = 100_000
    """Positions that one look scans at most, so that a rare topic's reader moves on too."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self._span = 2 * wanted

    def end(self, after: int, upto: int) -> int:
        """Where the next look ends, at most at `upto`."""
        return min(upto, after + self._span)

    def learn(self, after: int, reached: int, *, enough: bool) -> None:
        """A look from `after` to `reached` found as many as were wanted, or not."""
        span = 2 * (reached - after) if enough else 4 * self._span
        self._span = min(self.MOST, max(2 * self.wanted, span))


def fetch_events(query: str, params: Sequence[object] | Mapping[str, object]) -> list[StoredEvent]:
    """Events that a statement selects by `FIELDS`."""
    return [StoredEvent(*row) for row in sql.fetch_rows(query, params, binary=True)]


def settled() -> int:
    """Highest position below which no event can appear any more. About 0.2 ms.

    Must be asked in a statement before the one that reads events, or a commit in between is missed.
    """
    return int(sql.fetch_rows("SELECT event_settled()")[0][0])


def read(
    *, after: int, pattern: str = "**", limit: int = 1000, upto: int | None = None
) -> tuple[list[StoredEvent], int]:
    """Events with `after < position <= upto` that match, in order, and the position to go on from.

    `upto` is what is settled, or less. The position to go on from also passes what did not match.
    Raises: patterns.BadPattern.
    """
    horizon = settled()
    upto = horizon if upto is None else min(upto, horizon)
    events = fetch_events(
        f"""SELECT {FIELDS} FROM events
            WHERE position > %s AND position <= %s AND '.' || topic ~ %s
            ORDER BY position LIMIT %s""",
        [after, upto, to_regex(pattern), limit],
    )
    return events, (events[-1].position if len(events) == limit else max(after, upto))


def read_stream(stream: str, *, after: int, limit: int = 1000) -> list[StoredEvent]:
    """Events of one stream with `seq > after`, in order; needs no horizon, as its `seq` has no gaps."""
    rows = sql.fetch_rows(
        f"SELECT {FIELDS} FROM events WHERE stream = %s AND seq > %s ORDER BY seq LIMIT %s",
        [stream, after, limit],
    )
    return [StoredEvent(*row) for row in rows]


def stream_latest(stream: str, *, limit: int = 50) -> list[StoredEvent]:
    """The newest events of one stream, newest first; from its index, however long ago they were."""
    rows = sql.fetch_rows(
        f"SELECT {FIELDS} FROM events WHERE stream = %s ORDER BY seq DESC LIMIT %s",
        [stream, limit],
    )
    return [StoredEvent(*row) for row in rows]


def latest(*, pattern: str = "**", limit: int = 50, within: int = 5000) -> list[StoredEvent]:
    """The newest matching events, newest first, looked for among the last `within` positions."""
    upto = settled()
    rows = sql.fetch_rows(
        f"""SELECT {FIELDS} FROM events
            WHERE position > %s AND position <= %s AND '.' || topic ~ %s
            ORDER BY position DESC LIMIT %s""",
        [upto - within, upto, to_regex(pattern), limit],
    )
    return [StoredEvent(*row) for row in rows]


def follow(
    *, pattern: str = "**", after: int | None = None, stop: Callable[[], bool] = lambda: False
) -> Iterator[StoredEvent]:
    """Matching events for ever, in order, from `after` (from now when None) until `stop()` says so."""
    cursor = settled() if after is None else after
    while not stop():
        events, cursor = read(after=cursor, pattern=pattern)
        yield from events
        if not events:
            time.sleep(POLL_S)

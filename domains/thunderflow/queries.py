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
from domains.thunderflow import partitions
from domains.thunderflow.patterns import to_regex

FIELDS = """position, seq, at, id, correlation_id, causation_id, event_version, priority,
             stream, topic, actor, node, payload"""
POLL_S = 0.25
WITHIN = 5000
"""Positions among which `latest` looks."""


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

    def with_payload(self, payload: dict[str, Any], *, version: int) -> StoredEvent:
        """The same with its payload in the shape of another version."""
        return replace(self, payload=payload, event_version=version)


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


@dataclass(frozen=True, slots=True)
class Seen:
    """Streams that somebody may read: these, and those of the blackboard if he may."""

    streams: frozenset[str]
    blackboard: bool = False

    def includes(self, stream: str) -> bool:
        """Whether he may read this one."""
        return stream in self.streams or (self.blackboard and stream.startswith("blackboard:"))


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found: everything up to `position` was looked through, and nothing behind `settled` can be."""

    events: list[StoredEvent]
    position: int
    settled: int


LOOK = f"""
SELECT {FIELDS} FROM events
WHERE position > %(after)s AND position <= %(upto)s AND '.' || topic ~ %(regex)s
  AND (%(stream)s::text IS NULL OR stream = %(stream)s)
  AND (%(streams)s::text[] IS NULL OR stream = ANY(%(streams)s::text[])
       OR (%(blackboard)s AND starts_with(stream, 'blackboard:')))
ORDER BY position LIMIT %(limit)s
"""


def look(*, after: int, pattern: str = "**", stream: str | None = None, seen: Seen | None = None, limit: int) -> Looked:
    """The next events behind a position that match, of one stream or of those that somebody may see (None: all).

    Looks through `Reach.MOST` positions at most, however rare what is asked for is; from where the log begins when
    `after` is before that. Raises: patterns.BadPattern.
    """
    regex, horizon = to_regex(pattern), settled()
    after = max(after, partitions.oldest() - 1)
    upto = min(horizon, after + Reach.MOST)
    params = {
        "after": after, "upto": upto, "regex": regex, "stream": stream, "limit": limit,
        "streams": None if seen is None else list(seen.streams), "blackboard": bool(seen and seen.blackboard),
    }  # fmt: skip
    events = fetch_events(LOOK, params) if after < upto else []
    return Looked(events, events[-1].position if len(events) == limit else max(after, upto), horizon)


def read_stream(stream: str, *, after: int, limit: int = 1000) -> list[StoredEvent]:
    """Events of one stream with `seq > after`, in order; needs no horizon, as its `seq` has no gaps."""
    rows = sql.fetch_rows(
        f"SELECT {FIELDS} FROM events WHERE stream = %s AND seq > %s ORDER BY seq LIMIT %s",
        [stream, after, limit],
    )
    return [StoredEvent(*row) for row in rows]


# By its index, however long ago they were; what is left out is looked through only so far.
STREAM_LATEST = f"""
SELECT {FIELDS} FROM events
WHERE stream = %(stream)s AND topic <> ALL(%(without)s::text[]) AND (%(topic)s::text IS NULL OR topic = %(topic)s)
  AND seq > coalesce((SELECT seq FROM event_streams WHERE name = %(stream)s), 0) - %(within)s
ORDER BY seq DESC LIMIT %(limit)s
"""


def stream_latest(
    stream: str, *, limit: int = 50, within: int = 2**62, topic: str | None = None, without: Sequence[str] = ()
) -> list[StoredEvent]:
    """The newest events of one stream, newest first: of one topic, or but for some; of its latest `within` events."""
    given = {"stream": stream, "limit": limit, "within": within, "topic": topic, "without": list(without)}
    return [StoredEvent(*row) for row in sql.fetch_rows(STREAM_LATEST, given)]


def latest(*, pattern: str = "**", limit: int = 50, within: int = WITHIN, upto: int | None = None) -> list[StoredEvent]:
    """The newest matching events, newest first, looked for among the last `within` positions.

    `upto` is what was settled when somebody asked, for who goes on from there.
    """
    upto = settled() if upto is None else upto
    rows = sql.fetch_rows(
        f"""SELECT {FIELDS} FROM events
            WHERE position > %s AND position <= %s AND '.' || topic ~ %s
            ORDER BY position DESC LIMIT %s""",
        [upto - within, upto, to_regex(pattern), limit],
    )
    return [StoredEvent(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest events, newest first. Everything between `since` and `upto` was looked through.

    `more`: there are more than were asked for, older ones of the same stretch.
    """

    events: list[StoredEvent]
    since: int
    upto: int
    more: bool


NEWEST = f"""
SELECT {FIELDS} FROM events
WHERE position > %(after)s AND position <= %(upto)s AND '.' || topic ~ %(regex)s
  AND (%(streams)s::text[] IS NULL OR stream = ANY(%(streams)s::text[])
       OR (%(blackboard)s AND starts_with(stream, 'blackboard:')))
ORDER BY position DESC LIMIT %(limit)s
"""
# By its index, however long ago they were.
NEWEST_OF_STREAM = f"""
SELECT * FROM (
    SELECT {FIELDS} FROM events
    WHERE stream = %(stream)s AND position > %(after)s AND position <= %(upto)s ORDER BY seq DESC LIMIT %(within)s
) newest
WHERE '.' || topic ~ %(regex)s ORDER BY seq DESC LIMIT %(limit)s
"""


def newest(
    *, after: int = 0, before: int | None = None, pattern: str = "**", stream: str | None = None,
    seen: Seen | None = None, limit: int, within: int = 20_000,
) -> Newest:  # fmt: skip
    """The newest events that match, with `after < position < before`, that somebody may see (None: all).

    Looked for among the last `within` positions, or events of the one stream. Two queries.
    Raises: patterns.BadPattern.
    """
    regex, upto = to_regex(pattern), settled()
    if before is not None:
        upto = min(upto, before - 1)
    if stream is not None and seen is not None and not seen.includes(stream):
        return Newest([], upto, upto, more=False)
    since = after if stream is not None else max(after, upto - within)
    params = {
        "after": since, "upto": upto, "regex": regex, "limit": limit + 1, "stream": stream, "within": within,
        "streams": None if seen is None else list(seen.streams), "blackboard": bool(seen and seen.blackboard),
    }  # fmt: skip
    found = fetch_events(NEWEST if stream is None else NEWEST_OF_STREAM, params)
    return Newest(found[:limit], since, upto, more=len(found) > limit)


def at(position: int) -> StoredEvent | None:
    """The event at a position; None when there is none, or none any more. One query."""
    found = fetch_events(f"SELECT {FIELDS} FROM events WHERE position = %s", [position])
    return found[0] if found else None


def at_all(positions: Sequence[int]) -> dict[int, StoredEvent]:
    """The events at some positions, those that are still there. One query."""
    found = fetch_events(f"SELECT {FIELDS} FROM events WHERE position = ANY(%s)", [list(positions)])
    return {event.position: event for event in found}


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

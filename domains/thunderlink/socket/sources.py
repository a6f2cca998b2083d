"""Where feeds read: a stream of the log by `seq`, the whole log by position, the heartbeats by number.

All calls are for threads that may wait for the database. Payloads stay JSON text from the log to the line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import orjson

from domains import sql
from domains.thunderflow import payloads
from domains.thunderflow import queries as log
from domains.thunderflow.patterns import to_regex

PAUSE_S = 0.04
"""Of a source that many share."""
Name = Callable[[str], str | None]
"""What clients know events of a topic by; None: they do not get them."""

STREAM = """
SELECT seq, extract(epoch FROM at)::float8, topic, event_version, stream, payload::text
FROM events WHERE stream = %s AND seq > %s ORDER BY seq LIMIT %s
"""
BY_POSITION = """
SELECT position, extract(epoch FROM at)::float8, topic, event_version, stream, payload::text
FROM events WHERE position > %s AND position <= %s AND '.' || topic ~ %s AND (%s::text[] IS NULL OR stream = ANY(%s))
ORDER BY position LIMIT %s
"""
HEAD = "SELECT seq FROM event_streams WHERE name = %s"
OLDEST = "SELECT seq FROM events WHERE stream = %s ORDER BY seq LIMIT 1"
BEATS = """
SELECT number, extract(epoch FROM at)::float8,
       json_build_object('count', number, 'timestamp', at, 'latency_ms', latency_ms,
                         'active_domains', active_domains)::text
FROM heartbeat_ticks WHERE number > %s ORDER BY number LIMIT %s
"""


class Item(NamedTuple):
    """One event as clients get it."""

    seq: int
    at: float
    """Seconds since 1970."""
    event: str
    payload: str
    """A JSON object."""


class Page(NamedTuple):
    """What one reading found."""

    items: list[Item]
    upto: int
    """The number to go on from."""
    more: bool
    """There may be more already."""


class Source(Protocol):
    """Something with numbered events, which only grow."""

    hint: str | None
    """What hints call it; None: any hint may mean it."""
    pause_s: float
    """Least time between two looks, which is how long a batch gathers."""
    most_missed: int
    """Numbers that one who comes back can be behind; one further behind has to begin anew from the state."""

    def head(self) -> int:
        """The latest number; 0 when there is nothing."""

    def oldest(self) -> int:
        """The earliest number there still is; 0 when there is nothing."""

    def read(self, after: int, limit: int) -> Page:
        """Events above `after`, in order."""


class Stream:
    """One stream, by `seq`; what `name` gives no name is left out."""

    pause_s = PAUSE_S

    def __init__(self, stream: str, name: Name) -> None:
        self.hint: str | None = stream
        self.most_missed = 10_000
        self.stream, self._name = stream, name

    def head(self) -> int:
        rows = sql.fetch_rows(HEAD, [self.stream])
        return int(rows[0][0]) if rows else 0

    def oldest(self) -> int:
        rows = sql.fetch_rows(OLDEST, [self.stream])
        return int(rows[0][0]) if rows else 0

    def read(self, after: int, limit: int) -> Page:
        rows = sql.fetch_rows(STREAM, [self.stream, after, limit])
        return Page(_items(rows, self._name), rows[-1][0] if rows else after, len(rows) == limit)


class Log:
    """All events of a pattern, by position; of some streams only, if `streams` names any.

    Each payload says its zone, as it comes from many. `streams` is asked now and then.
    """

    FRESH_S = 10.0
    pause_s = PAUSE_S

    def __init__(self, pattern: str, name: Name, streams: Callable[[], Sequence[str] | None] = lambda: None) -> None:
        self.hint: str | None = None
        self.most_missed = 200_000  # most of what lies between is no concern of its readers
        self._regex, self._name, self._streams = to_regex(pattern), name, streams
        self._known: tuple[float, list[str] | None] = (float("-inf"), None)

    def head(self) -> int:
        return log.settled()

    def oldest(self) -> int:
        rows = sql.fetch_rows("SELECT position FROM events ORDER BY position LIMIT 1")
        return int(rows[0][0]) if rows else 0

    def read(self, after: int, limit: int) -> Page:
        horizon, streams = log.settled(), self._of()
        rows = sql.fetch_rows(BY_POSITION, [after, horizon, self._regex, streams, streams, limit])
        full = len(rows) == limit
        items = [_with_zone(item, row[4]) for row in rows for item in _items([row], self._name)]
        return Page(items, rows[-1][0] if full else max(after, horizon), full)

    def _of(self) -> list[str] | None:
        if time.monotonic() - self._known[0] > self.FRESH_S:
            streams = self._streams()
            self._known = (time.monotonic(), None if streams is None else list(streams))
        return self._known[1]


class Heartbeats:
    """The latest heartbeats, by number."""

    hint: str | None = "heartbeat"
    pause_s = PAUSE_S
    most_missed = 10_000

    def head(self) -> int:
        return int(sql.fetch_rows("SELECT coalesce(max(number), 0) FROM heartbeat_ticks")[0][0])

    def oldest(self) -> int:
        return int(sql.fetch_rows("SELECT coalesce(min(number), 0) FROM heartbeat_ticks")[0][0])

    def read(self, after: int, limit: int) -> Page:
        rows = sql.fetch_rows(BEATS, [after, limit])
        items = [Item(number, at, "domain_tick", text) for number, at, text in rows]
        return Page(items, rows[-1][0] if rows else after, len(rows) == limit)


def heads(streams: Sequence[str]) -> dict[str, int]:
    """The latest number of each of these streams that has one. One query."""
    return dict(sql.fetch_rows("SELECT name, seq FROM event_streams WHERE name = ANY(%s)", [list(streams)]))


def _items(rows: Sequence[tuple[int, float, str, int, str, str]], name: Name) -> list[Item]:
    return [
        Item(seq, at, event, text if version == _version(topic) else _brought_up(topic, version, text))
        for seq, at, topic, version, _, text in rows
        if (event := name(topic)) is not None
    ]


def _with_zone(item: Item, stream: str) -> Item:
    if not stream.startswith("zone:"):
        return item
    zone = f'{{"zone_id":"{stream.removeprefix("zone:")}"'
    return item._replace(payload=zone + ("}" if item.payload == "{}" else "," + item.payload[1:]))


@lru_cache(maxsize=4096)
def _version(topic: str) -> int | None:
    kind = payloads.payload_type(topic)
    return kind.version if kind else None


class _Kept(NamedTuple):
    topic: str
    event_version: int
    payload: dict[str, object]


def _brought_up(topic: str, version: int, text: str) -> str:
    """An older payload in today's shape."""
    kept: payloads.Stored = _Kept(topic, version, orjson.loads(text))
    return orjson.dumps(payloads.up_to_date(kept)).decode()

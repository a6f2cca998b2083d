"""What one request or heartbeat set off: the events of one correlation, as a tree of causes.

The log has no index by correlation: it would cost each publish a tenth of its rate. A correlation id made here is a
UUIDv7 and tells when it was made, and events lie in the order of time but for the seconds that a transaction takes: so
the place to begin is found by bisecting positions, and a stretch of time is read from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from domains import sql
from domains.thunderflow import queries
from domains.thunderflow.queries import FIELDS, StoredEvent

WITHIN_S = 600.0
MARGIN_S = 60.0
"""By how much events may be out of the order of time, and clocks apart."""
NEAR_S = 15.0
"""By how much the moment of an event may differ from the one that its id tells, where one event is looked for."""
MOST = 10_000
LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, where Python's time ends."""


@dataclass(frozen=True, slots=True)
class Stem:
    """As much of an event as says where it stands; a payload would take ten times as long to read."""

    position: int
    at: datetime
    id: UUID
    causation_id: UUID | None
    stream: str


E = TypeVar("E", StoredEvent, Stem)


@dataclass(frozen=True, slots=True)
class Step(Generic[E]):
    """An event and how far it is from what set all off."""

    depth: int
    event: E


@dataclass(frozen=True, slots=True)
class Trace(Generic[E]):
    """What was found, causes before effects, and between which instants it was looked for."""

    steps: list[Step[E]]
    since: datetime
    until: datetime


def trace(correlation_id: UUID, *, within_s: float = WITHIN_S, now: datetime) -> Trace[StoredEvent]:
    """Events of one correlation, of the stretch of time that begins with it; at most `MOST`.

    As far back is looked too where an event is older than the id, or none is found: its maker's clock is ahead.
    An id that is no UUIDv7 came from outside and does not tell its time: the last `within_s` are looked through.
    Costs one look per event of the stretch (about a million a second) and some thirty short ones.
    """
    return _sought(lambda *between: queries.fetch_events(FOUND.format(FIELDS), between), correlation_id, within_s, now)


def outline(correlation_id: UUID, *, within_s: float = WITHIN_S, now: datetime) -> Trace[Stem]:
    """The same, without what the events say."""

    def look(*between: object) -> list[Stem]:
        rows = sql.fetch_rows(FOUND.format("position, at, id, causation_id, stream"), between)
        return [Stem(*row) for row in rows]

    return _sought(look, correlation_id, within_s, now)


FOUND = """
SELECT {} FROM events WHERE position >= %s AND position < %s AND correlation_id = %s ORDER BY position LIMIT %s
"""


def _sought(look: Callable[..., list[E]], correlation_id: UUID, within_s: float, now: datetime) -> Trace[E]:
    def between(since: datetime, until: datetime) -> list[E]:
        return look(position_at(since), position_at(until), correlation_id, MOST)

    margin, within = timedelta(seconds=MARGIN_S), timedelta(seconds=within_s)
    made = made_at(correlation_id)
    begin = min(made, now) if made else now - within
    since, until = begin - margin, begin + within + margin
    found = between(since, until)
    if made and (not found or min(event.at for event in found) < made):
        since -= within
        found = between(since, until)
    return Trace(tree(found), since, until)


def event(event_id: UUID) -> StoredEvent | None:
    """The event of this id, if it is kept and its maker's clock was right to some seconds.

    Ids are made when events are published, and tell when. Costs as the beginning of `trace`.
    """
    made = made_at(event_id)
    if made is None:
        return None
    start, end = position_at(made - timedelta(seconds=NEAR_S)), position_at(made + timedelta(seconds=NEAR_S))
    found = queries.fetch_events(
        f"SELECT {FIELDS} FROM events WHERE position >= %s AND position < %s AND id = %s LIMIT 1",
        [start, end, event_id],
    )
    return found[0] if found else None


def made_at(correlation_id: UUID) -> datetime | None:
    """When a UUIDv7 was made; None for any other id, and for one of a time that there is not."""
    ms = correlation_id.int >> 80
    return datetime.fromtimestamp(ms / 1000, UTC) if correlation_id.version == 7 and ms <= LATEST_MS else None


def position_at(instant: datetime) -> int:
    """About the first position whose event was written at `instant` or later; one past the newest if there is none."""
    low, high = 0, queries.settled() + 1
    while low < high:
        middle = (low + high) // 2
        rows = sql.fetch_rows(
            "SELECT at FROM events WHERE position >= %s AND position < %s ORDER BY position LIMIT 1", [middle, high]
        )
        if rows and rows[0][0] < instant:
            low = middle + 1
        else:
            high = middle
    return low


def tree(events: Iterable[E]) -> list[Step[E]]:
    """Each event after its cause, effects in the order of the log; what has no cause among them begins a tree."""
    events = list(events)
    known = {event.id for event in events}
    effects: defaultdict[UUID | None, list[E]] = defaultdict(list)
    for event in events:
        effects[event.causation_id if event.causation_id in known else None].append(event)
    steps: list[Step[E]] = []
    ahead = [Step(0, event) for event in reversed(effects.pop(None, []))]
    while ahead:
        step = ahead.pop()
        steps.append(step)
        ahead += [Step(step.depth + 1, event) for event in reversed(effects.pop(step.event.id, []))]
    return steps

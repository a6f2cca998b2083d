"""Episodes: memories of what happened with no more than half an hour between one and the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from memory.recall.neighbours import GAP_S
from memory.upkeep.limits import LEAST_OF_EPISODE, MOST_OF_EPISODE

GAP = timedelta(seconds=GAP_S)

When = tuple[UUID, datetime]
"""A memory and the aware instant that it is of."""


@dataclass(frozen=True, slots=True)
class Found:
    """`due`: episodes to be summed up, oldest first. `awaiting`: memories of those that are not due yet or go on."""

    due: list[list[UUID]] = field(default_factory=list)
    awaiting: set[UUID] = field(default_factory=set)


def find(memories: Sequence[When], *, now: datetime, after: timedelta) -> Found:
    """Episodes among memories that no summary stands for, in the order of time; due when they ended `after` ago."""
    found = Found()
    for run in _runs(memories):
        over = now - run[-1][1] > GAP
        for part in _parts(run, over=over):
            ids = [memory_id for memory_id, _ in part]
            whole = over or len(part) == MOST_OF_EPISODE
            if whole and len(part) < LEAST_OF_EPISODE:
                continue
            if whole and part[-1][1] <= now - after:
                found.due.append(ids)
            else:
                found.awaiting.update(ids)
    return found


def _runs(memories: Sequence[When]) -> Iterator[Sequence[When]]:
    start = 0
    for place, ((_, before), (_, at)) in enumerate(pairwise(memories), 1):
        if at - before > GAP:
            yield memories[start:place]
            start = place
    if memories:
        yield memories[start:]


def _parts(run: Sequence[When], *, over: bool) -> Iterator[Sequence[When]]:
    """A run that is over in parts of one size; of one that goes on, full ones from its beginning, and what is left."""
    if not over:
        for start in range(0, len(run), MOST_OF_EPISODE):
            yield run[start : start + MOST_OF_EPISODE]
        return
    count = -(-len(run) // MOST_OF_EPISODE)
    for n in range(count):
        yield run[n * len(run) // count : (n + 1) * len(run) // count]


def heading(begins_at: datetime, ends_at: datetime) -> str:
    """`1 May 2026, 09:10 to 09:40`, of aware instants in their own time zone."""
    day = f"{begins_at.day} {begins_at:%B %Y, %H:%M}"
    if begins_at.date() == ends_at.date():
        return f"{day} to {ends_at:%H:%M}"
    return f"{day} to {ends_at.day} {ends_at:%B %Y, %H:%M}"

"""Which fact holds when. Pure.

Of one subject and relation, each fact holds from its beginning until its own end or until the next one begins. What
is learned late goes to its place in time: it ends where the next one begins, and ends the one before it. The same
value again, while it holds, is no new fact: that it was confirmed, and when, is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID


@dataclass(slots=True)
class Span:
    """A fact in its time. `fresh`: it is not written down yet; `changed`: its end is not."""

    id: UUID
    value: str
    valid_from: datetime
    valid_to: datetime | None = None
    memory_id: UUID | None = None
    fresh: bool = False
    changed: bool = False

    def holds(self, at: datetime) -> bool:
        """From its beginning until before its end."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fact that ended because another one with another value began."""

    newer: Span
    older: Span


def add(spans: list[Span], given: Span) -> tuple[Span, Contradiction | None]:
    """Put a fact into the timeline `spans`, which is in the order of time and stays so.

    Returns the fact that now says so (one that said it already, if it held) and what it ended.
    """
    place = len(spans)
    while place and spans[place - 1].valid_from > given.valid_from:
        place -= 1
    before = spans[place - 1] if place else None
    if before is not None and before.holds(given.valid_from) and before.value == given.value:
        return before, None
    if place < len(spans) and _later(given.valid_to, spans[place].valid_from):
        given.valid_to = spans[place].valid_from
    given.fresh = True
    spans.insert(place, given)
    if before is None or not _later(before.valid_to, given.valid_from):
        return given, None
    before.valid_to, before.changed = given.valid_from, True
    return given, Contradiction(given, before)


def _later(end: datetime | None, than: datetime) -> bool:
    return end is None or end > than


def sound(spans: Sequence[Span]) -> bool:
    """Whether no two of them hold at once."""
    return all(one.valid_to is not None and one.valid_to <= other.valid_from for one, other in pairwise(spans))

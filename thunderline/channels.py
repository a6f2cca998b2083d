"""`events:tail`: the log as it is written, each event in a line of words, for who may read its stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domains.thunderflow import partitions, queries
from domains.thunderflow.patterns import to_regex
from domains.thunderflow.queries import Seen
from domains.thundergate.access import Identity
from domains.thunderlink.socket.following import Following, Joining
from domains.thunderlink.socket.sources import Item, Page, Source
from thunderline import streams
from thunderline.views import events
from thunderline.views.told import Told


def _pattern(text: str) -> str:
    """Raises: BadPattern, which is a ValueError."""
    to_regex(text)
    return text


class Wanted(Joining):
    """Which events: those whose topics are like a pattern, of all streams or of one."""

    pattern: Annotated[str, Field(max_length=events.LONGEST_PATTERN), AfterValidator(_pattern)] = "**"
    stream: Annotated[str, Field(max_length=events.LONGEST_PATTERN, pattern="^[^\0]*$")] = ""


class Line(BaseModel):
    """An event in words. `zone`: empty where the event is of none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    topic: str
    verb: str
    text: str
    actor: str
    zone_id: UUID | None
    zone: str

    @classmethod
    def of(cls, row: Told) -> Line:
        """The same for the line."""
        told = row.event
        return cls(
            at=told.at, topic=told.topic, verb=row.verb, text=row.text, actor=told.actor,
            zone_id=row.zone_id if row.zone else None, zone=row.zone,
        )  # fmt: skip


class Tail:
    """The newest of what came for one person, at most `events.SHOWN` at a look, as `told` {Line}.

    `left_out` {} stands where there was more. What somebody may read is asked now and then.
    """

    FRESH_S = 10.0

    hint: str | None = None
    most_missed = 1 << 62  # however much was missed, one look brings the newest of it
    pause_s = 0.25  # each look reads for one person only

    def __init__(self, identity: Identity, pattern: str, stream: str) -> None:
        self._identity, self._pattern, self._stream = identity, pattern, stream or None
        self._user: Any = None
        self._seen: Seen | None = None
        self._looked = float("-inf")

    def head(self) -> int:
        """What is settled."""
        return queries.settled()

    def oldest(self) -> int:
        """Where the log begins."""
        return partitions.oldest()

    def read(self, after: int, limit: int) -> Page:
        """Bounded by itself, whatever `limit` is."""
        self._look()
        if self._user is None:
            return Page([], max(after, queries.settled()), more=False)
        found = queries.newest(
            after=after, pattern=self._pattern, stream=self._stream, seen=self._seen, limit=events.SHOWN
        )
        items = [_item(row) for row in events.rows(self._user, found.events[::-1])]
        if found.more or found.since > after:
            first = items[0].seq if items else found.upto + 1
            items.insert(0, Item(first - 1, time.time(), "left_out", "{}"))
        return Page(items, max(after, found.upto), more=False)

    def _look(self) -> None:
        if time.monotonic() - self._looked < self.FRESH_S:
            return
        self._user = get_user_model().objects.filter(pk=self._identity.user.pk, is_active=True).first()
        if self._user is not None:
            self._seen = _seen_by(self._identity, self._user)
        self._looked = time.monotonic()


def _item(row: Told) -> Item:
    return Item(row.event.position, row.event.at.timestamp(), "told", Line.of(row).model_dump_json())


def _seen_by(identity: Identity, user: Any) -> Seen | None:
    """What this account may read and what was shown is for."""
    who = replace(identity, user=user)
    return streams.seen(user, system=who.may("system:read"), blackboard=who.may("blackboard:read"))


class EventsTail(Following):
    """What is written to the log, as lines. Numbers are positions of the log."""

    topics = ("events:tail",)
    domain = "thunderflow"
    scope = "events:read"
    Given: ClassVar[type[Joining]] = Wanted

    given: Wanted

    def source(self) -> tuple[str, Callable[[], Source]]:
        """One for each joining: what one may read changes with the person and with what was shown."""
        who, asked = self.connection.who, self.given
        return f"{self.topic}?{self.session}", lambda: Tail(who, asked.pattern, asked.stream)

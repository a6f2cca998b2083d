"""`/events`: the log, in order, as far as one may see the worlds that it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.response import Response

from domains.thunderflow import queries, trace
from domains.thunderflow.queries import Seen
from thunderline import streams
from thunderline.api import requests
from thunderline.api import zones as zone_doors
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import reply

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e61"
EXAMPLE = {
    "position": 90210, "id": EXAMPLE_ID, "stream": f"zone:{zone_doors.EXAMPLE_ID}", "seq": 311,
    "topic": f"zone.{zone_doors.EXAMPLE_ID}.agent_entered", "version": 1, "at": "2026-05-31T12:20:00Z",
    "actor": "user:operator", "node": "harbour-1", "correlation_id": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e62",
    "causation_id": None, "payload": {"name": "Ada"},
}  # fmt: skip


class Event(BaseModel):
    """One thing that happened. `position` orders all events, `seq` those of a stream without a gap."""

    position: int
    id: UUID
    stream: str
    seq: int
    topic: str
    version: int
    at: datetime
    actor: str
    node: str
    correlation_id: UUID | None
    causation_id: UUID | None
    payload: dict[str, Any]


class EventPage(BaseModel):
    """A part of the log. Go on with `since=<position>`: everything up to there was looked through.

    `next` is the address of what is behind it; null when there is nothing yet.
    """

    results: list[Event]
    next: str | None
    position: int


class EventsQuery(requests.Query):
    """Which events. A pattern's `*` is one word of a topic, `**` any number."""

    pattern: Annotated[str, Field(min_length=1, max_length=500)] = "**"
    stream: Annotated[str, Field(min_length=1, max_length=500), requests.Storable] | None = None
    since: Annotated[int, Field(ge=0, le=requests.BIGGEST, description="The position behind which to begin.")] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Step(BaseModel):
    """An event, and how many causes away it is from what set all off."""

    depth: int
    event: Event


class Trace(BaseModel):
    """What one request or heartbeat set off, causes before effects; looked for between `since` and `until`."""

    steps: list[Step]
    since: datetime
    until: datetime


def seen(request: Any) -> Seen | None:
    """Which streams somebody may read: those of worlds and zones that they may see, and what else they have scopes and
    permissions for.

    None: all.
    """
    may = request.auth.may
    return streams.seen(request.user, system=may("system:read"), blackboard=may("blackboard:read"))


def shape(event: Any) -> Event:
    """As it is answered."""
    alike = set(Event.model_fields) - {"version"}
    return Event.model_construct(**{name: getattr(event, name) for name in alike}, version=event.event_version)


class Events(Door):
    domain = "thunderflow"

    @operation(
        "events_list", "The log", tag="events", scope="events:read", query=EventsQuery, answer=EventPage, errors=[422],
        shows={"results": [EXAMPLE], "next": None, "position": 90210},
        asks={"pattern": "zone.*.agent_entered", "since": 90000, "limit": 50},
    )  # fmt: skip
    def get(self, request: Any, query: EventsQuery) -> Response:
        """In order, from a position on. An empty page may have a `next` too, where what is asked for is rare."""
        found = queries.look(
            after=query.since, pattern=query.pattern, stream=query.stream, seen=seen(request), limit=query.limit
        )
        more = None
        if found.position < found.settled:
            words = request.query_params.copy()
            words["since"] = str(found.position)
            more = str(request.build_absolute_uri(f"{request.path}?{words.urlencode()}"))
        page = EventPage.model_construct(
            results=[shape(event) for event in found.events], next=more, position=found.position
        )
        return reply(page)


class TraceEvents(Door):
    domain = "thunderflow"

    @operation(
        "events_trace", "What one request set off", tag="events", scope="events:read",
        ids={"correlation_id": EXAMPLE["correlation_id"]}, answer=Trace, heavy=True,
        shows={"steps": [{"depth": 0, "event": EXAMPLE}], "since": "2026-05-31T12:19:00Z",
               "until": "2026-05-31T12:31:00Z"},
    )  # fmt: skip
    def get(self, request: Any, correlation_id: UUID) -> Response:
        """By the id in the header `X-Correlation-ID` of its answer. What one may not see is left out."""
        found, may = trace.trace(correlation_id, now=timezone.now()), seen(request)
        steps = [
            Step.model_construct(depth=step.depth, event=shape(step.event))
            for step in found.steps
            if may is None or may.includes(step.event.stream)
        ]
        return reply(Trace.model_construct(steps=steps, since=found.since, until=found.until))

"""The log as it is written: a tail that goes on by itself, each event with what set it off and what it set off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from domains.thunderflow import partitions, queries, trace
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.queries import Newest, StoredEvent
from domains.thunderflow.trace import E, Step
from thunderline import streams
from thunderline.views import live
from thunderline.views.told import Told, told, zones_named
from zones import queries as zones

SHOWN = 100
"""Events that the page begins with, and that a look at what is new brings at most; the browser keeps 300."""
STEPS_SHOWN = 100
NEAR_S, FAR_S = 60.0, 600.0
"""Within which time what belongs to an event is looked for, at first and when somebody wants more."""
LONGEST_PATTERN = 500
LONGEST_NUMBER = 18
"""Digits of a position; more do not fit a bigint."""
PRESETS = (
    ("Everything", "**"),
    ("Ticks", "zone.*.agent_ticked"),
    ("Arrivals", "zone.*.agent_entered"),
    ("Environment", "zone.*.environment_tick"),
    ("Worlds", "world.**"),
    ("Agents", "agent.**"),
    ("System", "system.**"),
    ("Blackboard", "blackboard.**"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see. `problem`: why it cannot be looked for."""

    pattern: str
    stream: str
    problem: str = ""

    @property
    def words(self) -> dict[str, str]:
        """As an address has them, those that are not as usual."""
        usual = {"pattern": "**", "stream": ""}
        return {name: getattr(self, name) for name, unasked in usual.items() if getattr(self, name) != unasked}

    @property
    def query(self) -> str:
        """The same as the end of an address."""
        return urlencode(self.words)


@live.door("thunderflow")
def show(request: HttpRequest) -> HttpResponse:
    """The newest events that match, or those `before` a position; the newest go on by themselves.

    Five queries; three more for who does not see everything.
    """
    asked, before = _asked(request), _number(request, "before")
    found, problem = Newest([], 0, 0, more=False), ""
    try:
        found = _newest(request, asked, before=before)
    except BadPattern as error:
        problem = str(error)
    asked = Asked(asked.pattern, asked.stream, problem)
    context = {
        "asked": asked, "presets": PRESETS, "rows": rows(request.user, found.events), "position": found.upto,
        "before": before, "older": _older(asked, found), "now": timezone.now(),
    }  # fmt: skip
    return render(request, "events.html", context, status=400 if problem else 200)


@live.door("thunderflow")
def tail(request: HttpRequest) -> HttpResponse:
    """Rows of what came after the position `after`, and the position to go on from.

    Bounded: of very much only the newest, and word that there was more.
    """
    asked, after = _asked(request), _number(request, "after")
    if after is None:
        raise Http404
    try:
        found = _newest(request, asked, after=after)
    except BadPattern as error:
        raise Http404 from error
    context = {
        "rows": rows(request.user, found.events), "position": max(after, found.upto),
        "missed": found.more or found.since > after,
    }  # fmt: skip
    return render(request, "parts/events_tail.html", context)


def _asked(request: HttpRequest) -> Asked:
    pattern, stream = (request.GET.get(name, "").strip()[:LONGEST_PATTERN] for name in ("pattern", "stream"))
    return Asked(pattern or "**", stream.replace("\0", ""))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if text and (not text.isdecimal() or len(text) > LONGEST_NUMBER):
        raise Http404
    return int(text) if text else None


def _newest(request: HttpRequest, asked: Asked, *, after: int = 0, before: int | None = None) -> Newest:
    """Raises: BadPattern."""
    return queries.newest(
        after=after, before=before, pattern=asked.pattern, stream=asked.stream or None,
        seen=streams.seen_by(request.user), limit=SHOWN,
    )  # fmt: skip


def _older(asked: Asked, found: Newest) -> str:
    """The end of the address of what is older; empty when there is nothing."""
    before = found.events[-1].position if found.more else found.since + 1
    if asked.problem or before <= partitions.oldest():
        return ""
    return urlencode({**asked.words, "before": before})


def rows(user: Any, events: Sequence[StoredEvent]) -> list[Told]:
    """Events in words, in their order; with the names of those zones that a user may see. One query."""
    wanted = zones_named(events)
    return told(events, zones.names(wanted, user=user) if wanted else {})


# --- One event -----------------------------------------------------------------------------------------------


def _visible(request: HttpRequest, position: int) -> StoredEvent:
    """Raises: Http404 when it is not there, or not there for this user."""
    found = queries.at(position) if position < 10**LONGEST_NUMBER else None
    if found is None:
        raise Http404
    may = streams.seen_by(request.user)
    if may is not None and not may.includes(found.stream):
        raise Http404
    return found


@live.door("thunderflow")
def one(request: HttpRequest, position: int) -> HttpResponse:
    """All of an event. What belongs to it is fetched by the page, as that takes longer."""
    event = _visible(request, position)
    (row,) = rows(request.user, [event])
    context = {"row": row, "event": event, "now": timezone.now()}
    return render(request, "event.html", context)


@live.door("thunderflow")
def tree(request: HttpRequest, position: int) -> HttpResponse:
    """What one request or heartbeat set off, as a tree around this event; `far` looks through more time."""
    event, far = _visible(request, position), "far" in request.GET
    context: dict[str, Any] = {"event": event, "far": far, "steps": [], "left_out": 0}
    if event.correlation_id is not None:
        found = trace.outline(event.correlation_id, within_s=FAR_S if far else NEAR_S, now=timezone.now())
        may = streams.seen_by(request.user)
        steps = [step for step in found.steps if may is None or may.includes(step.event.stream)]
        shown = around(steps, event.id, most=STEPS_SHOWN)
        whole = queries.at_all([step.event.position for step in shown])
        depths = {step.event.position: min(step.depth, 8) for step in shown if step.event.position in whole}
        told_steps = rows(request.user, [whole[position] for position in depths])
        context |= {
            "steps": list(zip(depths.values(), told_steps, strict=True)), "left_out": len(steps) - len(depths),
        }  # fmt: skip
    return render(request, "parts/event_tree.html", context)


def around(steps: Sequence[Step[E]], event_id: UUID, *, most: int) -> list[Step[E]]:
    """At most so many steps, in their order: what led to an event and what it led to first, then the others."""
    if len(steps) <= most:
        return list(steps)
    kin = _kin(steps, event_id)
    wanted = [i for i in range(len(steps)) if i in kin] + [i for i in range(len(steps)) if i not in kin]
    return [steps[i] for i in sorted(wanted[:most])]


def _kin(steps: Sequence[Step[Any]], event_id: UUID) -> set[int]:
    """Which steps are an event, its causes or its effects. Steps are a tree, written in depth first."""
    middle = next((i for i, step in enumerate(steps) if step.event.id == event_id), None)
    if middle is None:
        return set()
    found, depth = {middle}, steps[middle].depth
    for i in range(middle - 1, -1, -1):
        if steps[i].depth < depth:
            found.add(i)
            depth = steps[i].depth
    for i in range(middle + 1, len(steps)):
        if steps[i].depth <= steps[middle].depth:
            break
        found.add(i)
    return found

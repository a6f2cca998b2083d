"""Searching everything from one box: worlds, zones, agents, memories, events, as far as somebody may see them.

Memories are those of agents that one may read; that those of others were read is told. Each kind is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from agents import queries as agents
from agents import rules
from domains.thunderflow import queries as thunderflow
from domains.thunderflow import trace
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.queries import StoredEvent
from domains.thundergate import addresses
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import Forbidden
from memory.across.queries import FoundAcross, search_all
from memory.errors import VaultError
from thunderline import streams
from thunderline.views import happened, live
from zones import queries as zones

LONGEST = 200
SHORTEST_QUESTION = 3
"""Characters below which nothing is asked of memories."""
OF_EACH = 6
"""Hits of a kind in the box, and so many times as many on the page of its own."""
ON_A_PAGE = 5
LEAST_LIKE = 0.2
"""Of a memory's likeness to the question; below it, it is about something else."""
LONGEST_NUMBER = 18
LOOKED_THROUGH = 200
"""Events that fit a pattern, for those that somebody may see."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found, and where it is."""

    address: str
    title: str
    detail: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind; or why that could not be looked for."""

    kind: str
    title: str
    hits: Sequence[Hit]
    problem: str = ""


def show(request: HttpRequest) -> HttpResponse:
    """The page, or for the box in the header what it lists."""
    asked = live.asked(request)[:LONGEST]
    boxed = bool(request.headers.get("HX-Request"))
    groups = find(request, asked, limit=OF_EACH if boxed else ON_A_PAGE * OF_EACH) if asked else []
    count = sum(len(group.hits) for group in groups)
    response = render(
        request, "parts/found.html" if boxed else "search.html", {"asked": asked, "groups": groups, "count": count}
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


def find(request: HttpRequest, text: str, *, limit: int) -> list[Group]:
    """Of each kind at most `limit`, best first; kinds of which there is nothing are left out."""
    user = request.user
    found = [
        Group("world", "Worlds", [_world(one) for one in zones.worlds_called(text, user, limit=limit)]),
        _kept("thundergrid", "zone", "Zones", lambda: [_zone(one) for one in zones.called(text, user, limit=limit)]),
        _kept("thunderpac", "agent", "Agents", lambda: [_agent(one) for one in agents.called(text, user, limit=limit)]),
        _kept("thunderflow", "event", "Events", lambda: _events(request, text, limit)),
        _kept("thundervault", "memory", "Memories", lambda: _memories(request, text, limit)),
    ]
    return [group for group in found if group.hits or group.problem]


def _kept(domain: str, kind: str, title: str, look: Callable[[], list[Hit]]) -> Group:
    """What a domain finds; why it does not, while it is not active or cannot."""
    if reason := live.shut(domain):
        return Group(kind, title, [], reason)
    try:
        return Group(kind, title, look())
    except (VaultError, Forbidden) as error:
        return Group(kind, title, [], str(error))


# --- Places and agents ---------------------------------------------------------------------------------------


def _world(world: Any) -> Hit:
    return Hit(reverse("world", args=[world.pk]), world.name, f"{world.status}, tick {world.tick}")


def _zone(zone: Any) -> Hit:
    closed = ", closed" if zone.closed else ""
    return Hit(reverse("zone", args=[zone.pk]), zone.name, f"in {zone.world.name}, {zone.agent_count} there{closed}")


def _agent(agent: agents.Found) -> Hit:
    state = (agent.activity or "waking") if agent.lifecycle == "active" else agent.lifecycle
    return Hit(reverse("agent", args=[agent.id]), agent.name, f"in {agent.zone}, {agent.world} · {state}")


# --- Memories ------------------------------------------------------------------------------------------------


def _memories(request: HttpRequest, text: str, limit: int) -> list[Hit]:
    """Raises: VaultError."""
    if len(text) < SHORTEST_QUESTION or zones.as_id(text) is not None:
        return []
    readable = rules.remembered_by(request.user)
    whose = None if readable is None else list(readable)
    found = [one for one in search_all(text, limit=limit, agents=whose) if one.score >= LEAST_LIKE]
    if found and whose is not None:
        _tell(request, {one.agent_id for one in found})
    return [_memory(one) for one in found]


def _tell(request: HttpRequest, agent_ids: set[UUID]) -> None:
    """That these agents' memories were read. Raises: Forbidden, where a right was lost just now."""
    who = Identity(request.user, Via.SESSION, address=addresses.client(request))
    rules.read_memories(who, agents.with_places(agent_ids), door="search")


def _memory(found: FoundAcross) -> Hit:
    address = reverse("agent-memory", args=[found.agent_id, found.id])
    return Hit(address, found.content, f"{found.agent}, {found.world} · {found.kind}", found.inserted_at)


# --- Events --------------------------------------------------------------------------------------------------


def _events(request: HttpRequest, text: str, limit: int) -> list[Hit]:
    """By id, by position in the log, or the latest whose topics fit a pattern; a word alone is no pattern."""
    found = _told(text)
    if not found:
        return []
    may = streams.seen_by(request.user)
    shown = [event for event in found if may is None or may.includes(event.stream)][:limit]
    named = happened.zones_named(shown)
    places = {str(pk): name for pk, name in zones.names(named, user=request.user).items()} if named else {}
    return [_event(event, places) for event in shown]


def _told(text: str) -> list[StoredEvent]:
    if id_ := zones.as_id(text):
        return [event] if (event := trace.event(id_)) else []
    if text.isdecimal():
        event = thunderflow.at(int(text)) if len(text) <= LONGEST_NUMBER else None
        return [event] if event else []
    if "." not in text and "*" not in text:
        return []
    try:
        return thunderflow.latest(pattern=text, limit=LOOKED_THROUGH)
    except BadPattern:
        return []


def _event(event: StoredEvent, places: dict[str, str]) -> Hit:
    line = happened.line(event, places)
    title = f"{line.name} {line.text}".strip()
    return Hit(reverse("event", args=[event.position]), title, f"{event.topic} · number {event.position}", event.at)

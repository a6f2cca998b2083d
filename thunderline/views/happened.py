"""What an event of a zone tells, as a line for people. Pure; what it does not know is told by its topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domains.thunderflow.queries import StoredEvent
from zones.queries import permission_names

LONGEST = 240
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """An event as a list shows it. `name` and `agent_id` are whom it is about, when it is about an agent."""

    seq: int
    at: datetime
    verb: str
    text: str
    name: str = ""
    agent_id: UUID | None = None
    actor: str = ""

    @property
    def by(self) -> str:
        """Who made it happen, when a person did."""
        kind, _, name = self.actor.partition(":")
        return name if kind == "user" else ""


def line(event: StoredEvent, places: Mapping[str, str]) -> Line:
    """`places` has the names of zones by their id as text, of those that may be named."""
    verb, given = event.topic.rpartition(".")[2], event.payload
    tell = _TOLD.get(verb)
    try:
        text = tell(given, places) if tell else _plain(verb, given)
    except (KeyError, TypeError, ValueError):  # an older or newer version of its payload
        text = verb.replace("_", " ")
    agent_id = given.get("agent_id")
    named = bool(agent_id) and "name" in given
    return Line(
        event.seq, event.at, verb, text[:LONGEST], str(given.get("name", "")) if named else "",
        UUID(agent_id) if named else None, event.actor,
    )  # fmt: skip


def knows(event: StoredEvent) -> bool:
    """Whether there are words for what an event tells, beyond those of its topic."""
    return event.topic.startswith("zone.") and event.topic.rpartition(".")[2] in _TOLD


def zones_named(events: list[StoredEvent]) -> set[UUID]:
    """Zones that these events lead from or to."""
    ids = (event.payload.get(field) for event in events for field in ("origin", "destination"))
    return {UUID(one) for one in ids if isinstance(one, str)}


def _came(given: Payload, places: Mapping[str, str]) -> str:
    if not given.get("origin"):
        return "came into being or back"
    return f"came from {places.get(given['origin'], 'elsewhere')}"


def _went(given: Payload, places: Mapping[str, str]) -> str:
    if not given.get("destination"):
        return "was archived"
    return f"went to {places.get(given['destination'], 'another place')}"


def _weather(given: Payload, places: Mapping[str, str]) -> str:
    if given.get("narrative"):
        return str(given["narrative"])
    return f"The weather turned: {given['properties']['temperature']:.0f} °C, entropy {given['entropy']:.2f}"


def _resources(given: Payload, places: Mapping[str, str]) -> str:
    changes = (f"{name} {amount:+.1f}".replace("-", "−") for name, amount in sorted(given["changes"].items()))
    return f"Stores changed: {', '.join(changes)}"


def _permissions(given: Payload, places: Mapping[str, str]) -> str:
    names = [name.replace("_", " ") for name in permission_names(given["permissions"])]
    return f"Members may now {', '.join(names) or 'do nothing'}"


def _changed(given: Payload, places: Mapping[str, str]) -> str:
    changes = given.get("changes", {})
    if given["what"] == "ways_changed":
        return f"The way to {changes['to']} is {changes['permeability']:.0%} open"
    if given["what"] == "way_cut":
        return f"No way leads to {changes['to']} any more"
    if given["what"] == "created":
        return "The zone came into being"
    fields = ", ".join(sorted(changes))
    return f"The zone was changed ({given['what'].replace('_', ' ')}{f': {fields}' if fields else ''})"


def _agent_changed(given: Payload, places: Mapping[str, str]) -> str:
    what, was, now = given["what"], given.get("was"), given.get("now")
    if what == "lifecycle":
        reason = f" ({given['reason']})" if given.get("reason") else ""
        return f"is {now} now, was {was}{reason}"
    return f"{what.replace('_', ' ')}: {now or was}"


def _broadcast(given: Payload, places: Mapping[str, str]) -> str:
    words = f"made known: “{given['text']}”" if given.get("text") else f"made known: {given['event']}"
    return words if given.get("agent_id") else f"{given['name']} {words}"


def _said(given: Payload, places: Mapping[str, str]) -> str:
    words = f"said to all: “{given['text']}”"
    return words if given.get("agent_id") else f"{given['name']} {words}"


def _met(given: Payload, places: Mapping[str, str]) -> str:
    words = f": “{given['text']}”" if given.get("text") else ""
    return f"and {given['target_name']}: {given['kind']}{words}"


def _plain(verb: str, given: Payload) -> str:
    words = given.get("text") or given.get("event") or ""
    return f"{verb.replace('_', ' ')}{f': {words}' if words else ''}"


_TOLD: Mapping[str, Callable[[Payload, Mapping[str, str]], str]] = {
    "agent_entered": _came,
    "agent_left": _went,
    "agent_ticked": lambda given, _: str(given["narrative"]),
    "environment_tick": _weather,
    "environment_failed": lambda given, _: f"The weather failed: {given['error']}",
    "climate_changed": lambda given, _: f"Air came over from next door: entropy {given['entropy']:.2f}",
    "resource_changed": _resources,
    "permission_changed": _permissions,
    "notice_written": lambda given, _: f"{given['author']} pinned up: “{given['text']}”",
    "tick_forced": lambda given, _: "was made to tick",
    "tick_failed": lambda given, _: f"could not tick: {given['error']}",
    "move_refused": lambda given, places: f"was turned back from {places.get(given['destination'], 'another place')}",
    "message_received": lambda given, _: f"was told “{given['text']}” by {given['sender'].partition(':')[2]}",
    "message_processed": lambda given, _: f"answered “{given['reply']}”" if given.get("reply") else "read a message",
    "error": lambda given, _: f"could not do as it wanted ({given['stage']})",
    "changed": lambda given, places: (_agent_changed if "agent_id" in given else _changed)(given, places),
    "broadcast": _broadcast,
    "said": _said,
    "agent_interaction": _met,
    "agent_moved": lambda given, _: f"went to {given['position']['x']:.0f}, {given['position']['y']:.0f}",
    "resource_consumed": lambda given, _: f"took {given['amount']:g} of {given['resource_type']}",
    "model_answered": lambda given, _: "got no answer of its model" if given.get("error") else "got its model’s answer",
    "impersonated": lambda given, _: f"was decided for: {given['action'].replace('_', ' ')}",
    "agent_embodied": lambda given, _: "is lived by somebody’s client now",
    "agent_freed": lambda given, _: "lives by itself again",
}

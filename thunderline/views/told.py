"""Events as people read them: what happened, to whom, where, in a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domains.thunderflow.queries import StoredEvent
from thunderline.views import happened

LONGEST = 180
"""Characters of what is told in a line."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UNTOLD = {"name", "what", "narrative", "timestamp", "state_hash", "tick", "world_tick"}
"""Of a payload: told elsewhere, or of no use to the eye."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event in words. `zone_id` and `zone`: where it was told, if in a zone whose name is known."""

    event: StoredEvent
    verb: str
    text: str
    zone_id: UUID | None
    zone: str


def zone_of(event: StoredEvent) -> UUID | None:
    """The zone in whose stream an event stands."""
    kind, _, rest = event.stream.partition(":")
    return UUID(rest) if kind == "zone" and _ID.fullmatch(rest) else None


def told(events: Sequence[StoredEvent], zones: Mapping[UUID, str]) -> list[Told]:
    """In the same order. `zones`: names of zones."""
    places = {str(zone_id): name for zone_id, name in zones.items()}
    return [
        Told(event, verb(event.topic), _text(event, places), zone_id, zones.get(zone_id, "") if zone_id else "")
        for event in events
        for zone_id in (zone_of(event),)
    ]


def zones_named(events: Sequence[StoredEvent]) -> set[UUID]:
    """Zones that these events stand in, lead from or lead to."""
    known = [event for event in events if happened.knows(event)]
    return happened.zones_named(known) | {found for event in events if (found := zone_of(event)) is not None}


def _text(event: StoredEvent, places: Mapping[str, str]) -> str:
    if event.payload.get("narrative") or not happened.knows(event):
        return summary(event.payload)
    line = happened.line(event, places)
    return _cut(f"{line.name} {line.text}".strip())


def verb(topic: str) -> str:
    """What a topic says apart from whose it is: `zone.<id>.agent_ticked` is `agent ticked`.

    Keys of the blackboard are somebody's own words and stay as they are.
    """
    if topic.startswith("blackboard."):
        return topic.removeprefix("blackboard.")
    tokens = [token for token in topic.split(".")[1:] if not _ID.fullmatch(token)]
    return " ".join(tokens).replace("_", " ") or topic


def summary(payload: Mapping[str, Any]) -> str:
    """The story if it has one, else name and values; ids are left out."""
    if narrative := payload.get("narrative"):
        return _cut(str(narrative))
    parts = [str(payload["name"])] if payload.get("name") else []
    if what := payload.get("what"):
        parts.append(str(what).replace("_", " "))
    parts += [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in payload.items()
        if name not in _UNTOLD and value not in (None, "", [], {}) and not _is_id(name, value)
    ]
    return _cut(" · ".join(parts))


def _is_id(name: str, value: object) -> bool:
    return name.endswith(("_id", "_ids")) or (isinstance(value, str) and _ID.fullmatch(value) is not None)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_value(each) for each in value)
    return " ".join(str(value).split())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"

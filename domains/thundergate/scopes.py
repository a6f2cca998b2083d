"""What a key may be used for. A scope narrows what its owner may do; it never adds anything.

One table says which scopes there are and which permission of Django's the owner needs where no object decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from domains.thundergate.errors import Invalid


@dataclass(frozen=True, slots=True)
class Scope:
    """`permission`: what one needs besides, where it is about no object; None: to be signed in is enough."""

    name: str
    meaning: str
    permission: str | None = None


SCOPES = {
    scope.name: scope
    for scope in (
        Scope("worlds:read", "look at worlds that one may see"),
        Scope("worlds:write", "make, change, pause and archive worlds", "zones.add_world"),
        Scope("zones:read", "look at zones, and watch them"),
        Scope("zones:write", "make and change zones", "zones.add_zone"),
        Scope("zones:act", "enter zones, and do in them what their permissions let one do"),
        Scope("agents:read", "look at agents, their ticks and messages"),
        Scope("agents:write", "make and change agents, suspend and wake them", "agents.add_agent"),
        Scope("agents:act", "act for agents, and talk to them"),
        Scope("memory:read", "read and search what agents remember, with a grant for each"),
        Scope("memory:write", "store and close memories", "memory.add_memorynode"),
        Scope("events:read", "follow events of worlds that one may see"),
        Scope("blackboard:read", "read the blackboard", "thunderflow.view_entry"),
        Scope("blackboard:write", "write on the blackboard", "thunderflow.change_entry"),
        Scope("system:read", "health, nodes, domains, dead letters", "thunderblock.view_activedomain"),
        Scope("system:write", "switch domains, replay dead letters", "thunderblock.change_activedomain"),
        Scope("tools:call", "call tools"),
    )
}

MOST = 64
"""Scopes of one key."""
_ZONE = re.compile(r"zone:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):join")


def parse(given: Iterable[str]) -> list[str]:
    """Scopes in order, each once. Raises: Invalid, which names what there is."""
    found = sorted({text.strip().lower() for text in given if text.strip()})
    for text in found:
        if text not in SCOPES and _ZONE.fullmatch(text) is None:
            raise Invalid(
                f"scopes: there is no {text[:80]!r}; there are {', '.join(SCOPES)} and zone:<id>:join", field="scopes"
            )
    if not found:
        raise Invalid("scopes: name at least one; nothing is granted by default", field="scopes")
    if len(found) > MOST:
        raise Invalid(f"scopes: {len(found)} are too many; a key has {MOST} at most", field="scopes")
    return found


def zone_join(zone_id: UUID) -> str:
    """The scope that lets one into this zone, and to act there."""
    return f"zone:{zone_id}:join"


def covers(granted: Collection[str] | None, wanted: str) -> bool:
    """Whether a wanted scope is among those granted; None grants all that there are. To write includes to read."""
    if wanted not in SCOPES and _ZONE.fullmatch(wanted) is None:
        return False
    if granted is None or wanted in granted:
        return True
    resource, _, verb = wanted.rpartition(":")
    if resource.startswith("zone:"):
        return "zones:act" in granted
    return verb == "read" and f"{resource}:write" in granted

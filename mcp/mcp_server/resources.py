"""What can be read at `thunderline://…`: worlds, zones, agents and their ticks, as JSON. Seen by whoever may see them.

Worlds, zones and agents are named by id; by name too, where only one is called so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import orjson
from mcp.types import Resource, ResourceTemplate
from pydantic import BaseModel

from agents import queries as agents
from agents.client_tools import meant, pac
from domains.tools import Caller, ToolError
from mcp_server.access import Who
from zones import client_tools as places
from zones import queries as zones

SCHEME = "thunderline://"
JSON = "application/json"
MOST_LISTED = 200
TICKS = 20
"""Logs that one look at an agent's ticks shows."""


class NotThere(Exception):
    """There is nothing at this address, or nothing for who asks."""


def as_caller(who: Who) -> Caller:
    """Somebody as tools know them."""
    return Caller(actor=who.actor, capabilities=who.scopes, user=who.user, token_agent=who.agent_id)


def _world(name: str, caller: Caller) -> BaseModel:
    return places.shown(places.world_meant(name, caller), caller)


def _zone(name: str, caller: Caller) -> BaseModel:
    return places.observed(places.zone_meant(name, None, caller))


def _agent(name: str, caller: Caller) -> BaseModel:
    return pac.told(meant.agent_meant(meant.AgentWanted(agent=name), caller), caller)


def _ticks(name: str, caller: Caller) -> list[dict[str, Any]]:
    agent = meant.agent_meant(meant.AgentWanted(agent=name), caller)
    shown = ("tick_number", "world_tick", "action", "confidence", "reasoning", "narrative", "decision", "review",
             "stat_changes", "state_changes", "error")  # fmt: skip
    return [{name: getattr(log, name) for name in shown} for log in agents.ticks(agent.pk, limit=TICKS)]


Reader = Callable[[str, Caller], Any]
KINDS: dict[tuple[str, str], tuple[str, Reader]] = {
    ("worlds", ""): ("worlds:read", _world),
    ("zones", ""): ("zones:read", _zone),
    ("agents", ""): ("agents:read", _agent),
    ("agents", "ticks"): ("agents:read", _ticks),
}
"""By what stands before and after the name in an address: the scope that it takes, and who reads it."""

TEMPLATES = [
    ResourceTemplate(
        uri_template="thunderline://worlds/{world}", name="world", title="A world", mime_type=JSON,
        description="A world's clock and state, by id or name.",
    ),
    ResourceTemplate(
        uri_template="thunderline://zones/{zone}", name="zone", title="A zone", mime_type=JSON,
        description="A zone's weather, resources, ways, notices and latest happenings, by id or name.",
    ),
    ResourceTemplate(
        uri_template="thunderline://agents/{agent}", name="agent", title="An agent", mime_type=JSON,
        description="All about an agent, by id or name.",
    ),
    ResourceTemplate(
        uri_template="thunderline://agents/{agent}/ticks", name="agent-ticks", title="An agent's ticks",
        mime_type=JSON, description=f"The latest {TICKS} ticks of an agent: what it decided, why, and what came of it.",
    ),
]  # fmt: skip


def listed(who: Who) -> list[Resource]:
    """Worlds, then zones, that somebody may see: some of them, where they are many. Agents are found by their tool."""
    found: list[Resource] = []
    if "worlds:read" in who.scopes:
        found.append(Resource(uri=f"{SCHEME}worlds", name="worlds", title="All worlds", mime_type=JSON))
        found += [_listed("worlds", world) for world in zones.worlds(who.user)[:MOST_LISTED]]
    if "zones:read" in who.scopes:
        found += [_listed("zones", zone) for zone in zones.visible_zones(who.user)[:MOST_LISTED]]
    return found


def _listed(kind: str, row: Any) -> Resource:
    description = row.description[:200] or None
    return Resource(uri=f"{SCHEME}{kind}/{row.pk}", name=row.name, mime_type=JSON, description=description)


def read(who: Who, uri: str) -> str:
    """The content of an address. Raises: NotThere, which says why."""
    if uri.rstrip("/") == f"{SCHEME}worlds":
        _check_scope(who, "worlds:read")
        return places.world_list(places.WorldsWanted(), as_caller(who)).model_dump_json()
    reader, name = _reader(who, uri)
    try:
        found = reader(name, as_caller(who))
    except ToolError as error:
        raise NotThere(str(error)) from error
    return found.model_dump_json() if isinstance(found, BaseModel) else orjson.dumps(found).decode()


def check(who: Who, uri: str) -> None:
    """Whether somebody may watch this address. Raises: NotThere."""
    read(who, uri)


def _reader(who: Who, uri: str) -> tuple[Reader, str]:
    kind, name, more = [*uri.removeprefix(SCHEME).rstrip("/").split("/"), "", ""][:3]
    found = KINDS.get((kind, more))
    if found is None or not name or uri.removeprefix(SCHEME).count("/") > 2:
        known = ", ".join([f"{SCHEME}worlds", *(template.uri_template for template in TEMPLATES)])
        raise NotThere(f"there is nothing at {uri[:200]!r}; addresses are {known}")
    _check_scope(who, found[0])
    name = unquote(name)
    if not 1 <= len(name) <= 100 or "\0" in name:
        raise NotThere("a name has 1 to 100 characters")
    return found[1], name


def _check_scope(who: Who, scope: str) -> None:
    if scope not in who.scopes:
        raise NotThere(f"this needs the scope {scope}")


def address(kind: str, name: object, more: str = "") -> str:
    """The address of something, by id or name."""
    return f"{SCHEME}{kind}/{quote(str(name), safe='')}{'/' if more else ''}{more}"

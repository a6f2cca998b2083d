"""Completing names of worlds, zones and agents, of those that who asks may see, and numbers of an agent's ticks."""

from __future__ import annotations

from typing import Any

from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from agents import queries as agents
from mcp_server import prompts
from mcp_server.access import Who
from mcp_server.resources import TEMPLATES
from zones import queries as zones

MOST = 100
"""As the protocol allows."""


def complete(
    who: Who,
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    """Values that begin as what was typed, in order. None for what is not ours. At most three queries."""
    known = (
        ref.name in prompts.NAMES if isinstance(ref, PromptReference)
        else str(ref.uri) in {template.uri_template for template in TEMPLATES}
    )  # fmt: skip
    if not known or len(argument.value) > 100 or "\0" in argument.value:
        return Completion(values=[], total=0, has_more=False)
    given = (context.arguments if context else None) or {}
    found = _names(who, argument.name, argument.value, given)
    return Completion(values=found[:MOST], total=min(len(found), MOST), has_more=len(found) > MOST)


def _names(who: Who, what: str, start: str, given: dict[str, str]) -> list[str]:
    world = zones.visible_world(given["world"], who.user) if given.get("world") else None
    rows: Any
    if what == "world" and "worlds:read" in who.scopes:
        rows = zones.worlds(who.user)
    elif what == "zone" and "zones:read" in who.scopes:
        rows = zones.visible_zones(who.user, world_id=world.pk if world else None)
    elif what == "agent" and "agents:read" in who.scopes:
        rows = agents.visible_agents(who.user, world_id=world.pk if world else None)
    elif what == "tick" and given.get("agent") and "agents:read" in who.scopes:
        return _ticks(who, given["agent"], start)
    else:
        return []
    names = rows.filter(name__istartswith=start).order_by("name").values_list("name", flat=True).distinct()
    return list(names[: MOST + 1])


def _ticks(who: Who, agent: str, start: str) -> list[str]:
    found = agents.visible_named(agent[:100], who.user)
    if len(found) != 1:
        return []
    numbers = [str(log.tick_number) for log in agents.ticks(found[0].pk, limit=MOST)]
    return [number for number in numbers if number.startswith(start)]

"""Prompts: briefings that a person picks in their client, filled with what is so at that moment."""

from __future__ import annotations

from typing import Any

from mcp.types import (
    EmbeddedResource,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
    TextResourceContents,
)

from agents import queries as agents
from agents.client_tools import meant, pac, talking
from domains.tools import Caller, ToolError
from mcp_server import resources
from mcp_server.access import Who
from zones import client_tools as places

_AGENT = PromptArgument(name="agent", description="Name or id of the agent", required=True)
_ZONE = PromptArgument(name="zone", description="Name or id of the zone", required=True)
_WORLD = PromptArgument(name="world", description="Name or id of the world, where several have one of that name")

PROMPTS = [
    Prompt(
        name="brief_zone", title="Brief me on a zone", arguments=[_ZONE, _WORLD],
        description="What a place is like, who is there, and what has happened lately.",
    ),
    Prompt(
        name="interview_agent", title="Interview an agent",
        arguments=[_AGENT, _WORLD, PromptArgument(name="topic", description="What to ask about")],
        description="Talk with an agent about its life, knowing what it is like.",
    ),
    Prompt(
        name="explain_decision", title="Explain a decision",
        arguments=[_AGENT, _WORLD, PromptArgument(name="tick", description="Number of the tick; the latest otherwise")],
        description="Why an agent did what it did: its reasons, what else it weighed, and what came of it.",
    ),
]  # fmt: skip
NAMES = frozenset(prompt.name for prompt in PROMPTS)
_NEEDS = {"brief_zone": "zones:read", "interview_agent": "agents:read", "explain_decision": "agents:read"}
LONGEST = 500


def get(who: Who, name: str, arguments: dict[str, Any]) -> GetPromptResult:
    """A prompt, filled in. Raises: ToolError."""
    (prompt,) = [one for one in PROMPTS if one.name == name]
    known = {argument.name for argument in prompt.arguments or []}
    given = {key: str(value).strip() for key, value in arguments.items() if value is not None}
    if unknown := sorted(given.keys() - known):
        raise ToolError(
            "invalid_arguments", f"{name} has no argument {unknown[0][:100]!r}; it has {', '.join(sorted(known))}"
        )
    for argument in prompt.arguments or []:
        if argument.required and not given.get(argument.name):
            raise ToolError("invalid_arguments", f"{name}: {argument.name}: {argument.description}")
    if any(len(value) > LONGEST or "\0" in value for value in given.values()):
        raise ToolError("invalid_arguments", f"{name}: an argument has at most {LONGEST} characters, none of them NUL")
    if _NEEDS[name] not in who.scopes:
        raise ToolError("insufficient_scope", f"{name} needs the scope {_NEEDS[name]}")
    messages = _MAKERS[name](resources.as_caller(who), given)
    return GetPromptResult(description=prompt.description, messages=messages)


def _brief(caller: Caller, given: dict[str, str]) -> list[PromptMessage]:
    zone = places.zone_meant(given["zone"], given.get("world") or None, caller)
    seen = places.observed(zone)
    here = agents.visible_agents(caller.user, zone_id=zone.pk)[:30]
    present = ", ".join(f"{a.name} ({a.activity or a.lifecycle})" for a in here) or "nobody"
    story = talking.narrative_generate(talking.Told(zone=str(zone.pk), ticks=15), caller)
    asked = (
        f"Brief me on {zone.name} in the world {zone.world.name}, in a few short paragraphs: what sort of place it is, "
        f"how it fares, who is there and what they are about, and what deserves attention.\n\n"
        f"Present: {present}.\n\nWhat was told lately: {story.text or 'nothing yet.'}"
    )
    return [_embedded(resources.address("zones", zone.pk), seen.model_dump_json()), _said(asked)]


def _interview(caller: Caller, given: dict[str, str]) -> list[PromptMessage]:
    agent = meant.agent_meant(meant.AgentWanted(agent=given["agent"], world=given.get("world") or None), caller)
    about = f" Ask about {given['topic']}." if given.get("topic") else ""
    asked = (
        f"Interview {agent.name}, who lives in {agent.zone.name} in the world {agent.world.name}. Ask one question at "
        f"a time with the tool send_message (agent {agent.pk}), wait for the answer, and go on in the same "
        f"conversation. Five questions will do.{about} Then tell me what you learned, and how {agent.name} came across."
    )
    told = pac.told(agent, caller).model_dump_json()
    return [_embedded(resources.address("agents", agent.pk), told), _said(asked)]


def _explain(caller: Caller, given: dict[str, str]) -> list[PromptMessage]:
    agent = meant.agent_meant(meant.AgentWanted(agent=given["agent"], world=given.get("world") or None), caller)
    number = given.get("tick") or ""
    if number and (not number.isdecimal() or len(number) > 18):
        raise ToolError("invalid_arguments", "explain_decision: tick: a whole number")
    logs = agents.ticks(agent.pk, limit=1, before=int(number) + 1 if number else None)
    if not logs or (number and logs[0].tick_number != int(number)):
        raise ToolError("tick_not_found", f"{agent.name} has no tick {number}".rstrip() + " in its log")
    log = logs[0]
    weighed = ", ".join(f"{name} {score}" for name, score in log.decision.get("alternatives", {}).items()) or "not told"
    asked = (
        f"Explain to me, simply and honestly, why {agent.name} chose “{log.action}” at its tick {log.tick_number} "
        f"(world tick {log.world_tick}), what else it could have done, and what came of it. Say where the record is "
        f"silent.\n\n"
        f"Its reasoning: {log.reasoning}\nWeighed: {weighed}\nExpected: {log.decision.get('expected', '')}\n"
        f"Review: {log.review.get('verdict', '')} {log.review.get('reason', '')}\nChanged: {log.stat_changes}\n"
        f"Told: {log.narrative}"
    )
    told = pac.told(agent, caller).model_dump_json()
    return [_embedded(resources.address("agents", agent.pk), told), _said(asked)]


_MAKERS = {"brief_zone": _brief, "interview_agent": _interview, "explain_decision": _explain}


def _said(text: str) -> PromptMessage:
    return PromptMessage(role="user", content=TextContent(type="text", text=text))


def _embedded(uri: str, text: str) -> PromptMessage:
    contents = TextResourceContents(uri=uri, mime_type=resources.JSON, text=text)
    return PromptMessage(role="user", content=EmbeddedResource(type="resource", resource=contents))

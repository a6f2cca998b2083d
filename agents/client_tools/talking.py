"""Talking with agents, and what is told of them."""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID

from pydantic import Field

from agents import actions, exchange, queries
from agents.client_tools.meant import AgentWanted, agent_meant, check_key
from agents.models import Agent
from agents.models.messages import MAX_TEXT
from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from zones.client_tools import LONGEST_WAIT_S, Name, zone_meant


class Words(AgentWanted):
    """What to say to whom."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = 20.0
    """Seconds to wait for the answer; 0: do not wait."""
    conversation: UUID | None = None
    """To go on with one."""
    at_once: bool = False
    """Have the agent tick now and not at the world's next tick; for who may modify its zone."""


class Exchanged(Reply):
    """What came of it."""

    agent: str
    number: int
    """Of your message."""
    conversation: UUID
    read: bool
    """Whether the agent has dealt with it."""
    answer: str | None
    """Null: it said nothing, or has not read it yet."""
    note: str
    """What that means, and what to do."""


@tool(
    name="send_message",
    description="Say something to an agent, and wait for its answer.",
    capability="agents:act",
    output=Exchanged,
    for_people=Conduct("Talk to an agent", waits=True),
)
def send_message(words: Words, caller: Caller) -> Exchanged:
    """A person's words are in the inbox at once; the answer comes with the agent's next tick."""
    agent = agent_meant(words, caller)
    check_key(agent, caller)  # it would speak in its owner's name
    if words.at_once and not queries.may_steer(agent, caller.user):
        raise ToolError("access_denied", f"you may talk to {agent.name}, not decide when it ticks; leave out at_once")
    started = time.monotonic()

    def meanwhile() -> None:
        caller.progress(time.monotonic() - started, words.wait_s, f"waiting for {agent.name}")

    if words.wait_s == 0 and not words.at_once:
        message = actions.send(agent.pk, words.text, by=caller.actor, conversation=words.conversation)
        found = exchange.look(message.number, time.perf_counter())
    else:
        found = exchange.ask(
            agent.pk, words.text, by=caller.actor, now=words.at_once, timeout_s=words.wait_s,
            conversation=words.conversation, meanwhile=meanwhile,
        )  # fmt: skip
    return Exchanged(
        agent=agent.name, number=found.message.number, conversation=found.message.conversation, read=found.read,
        answer=found.reply.text if found.reply else None, note=_note(agent, found),
    )  # fmt: skip


def _note(agent: Agent, found: exchange.Exchange) -> str:
    if found.reply is not None:
        return f"{agent.name} answered."
    if found.read:
        return f"{agent.name} read it and said nothing."
    if agent.lifecycle != "active":
        return f"{agent.name} is {agent.lifecycle} and reads it once it is awake."
    if agent.world.status == "paused":
        return f"{agent.world.name} is paused: {agent.name} reads it when its clock goes on (world_step, world_resume)."
    return f"{agent.name} has not read it yet; go on with this conversation later, or look at it with pac_get_agent."


class Told(Request):
    """Of whom or of what place, and how far back. Name one of the two."""

    agent: Name | None = None
    """Name or id of an agent: its own latest ticks."""
    zone: Name | None = None
    """Name or id of a zone: what happened there, whoever did it."""
    world: Name | None = None
    """Name or id of the world, where names are found in several."""
    ticks: Annotated[int, Field(ge=1, le=100)] = 10
    """How many of the latest ticks to tell of."""


class Story(Reply):
    """A story of what really happened."""

    title: str
    text: str
    """In the order in which it happened; empty when nothing has yet."""
    ticks: int
    first_tick: int | None
    """Of an agent: number of its tick. Of a zone: position in the log."""
    last_tick: int | None


@tool(
    name="narrative_generate",
    description="Tell the story of an agent or of a zone, from what was told of each of the latest ticks.",
    capability="agents:read",
    output=Story,
    for_people=Conduct("Tell a story", read_only=True, idempotent=True),
)
def narrative_generate(wanted: Told, caller: Caller) -> Story:
    """Two or three queries."""
    if (wanted.agent is None) == (wanted.zone is None):
        raise ToolError("invalid_arguments", "narrative_generate: name either an agent or a zone")
    if wanted.agent is not None:
        agent = agent_meant(AgentWanted(agent=wanted.agent, world=wanted.world), caller)
        logs = queries.ticks(agent.pk, limit=wanted.ticks)[::-1]
        return _story(f"{agent.name} of {agent.world.name}", [(log.tick_number, log.narrative) for log in logs])
    zone = zone_meant(wanted.zone or "", wanted.world, caller)
    told = queries.narratives(zone_id=zone.pk, limit=wanted.ticks)[::-1]
    return _story(f"{zone.name} in {zone.world.name}", [(one.position, one.text) for one in told])


def _story(title: str, told: list[tuple[int, str]]) -> Story:
    """What was told several times in a row is told once."""
    texts = [text for i, (_, text) in enumerate(told) if text and (i == 0 or text != told[i - 1][1])]
    numbers = [number for number, _ in told]
    return Story(
        title=title, text=" ".join(texts), ticks=len(told), first_tick=numbers[0] if numbers else None,
        last_tick=numbers[-1] if numbers else None,
    )  # fmt: skip

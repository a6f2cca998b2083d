"""Living as an agent: a client takes it over, sees what it would see, and decides for it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from agents import behaviours, inputs
from agents.actions import embodiment
from agents.client_tools.meant import AgentWanted, mine, plain
from agents.converse import MAX_REPLY
from agents.errors import TooSoon
from agents.facts import Facts
from agents.models import Agent
from domains import tools
from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from zones.client_tools import LONGEST_WAIT_S

POLL_S = 0.05


class Other(Reply):
    """Somebody near."""

    name: str
    distance: float


class Heard(Reply):
    """A message in the inbox."""

    number: int
    """Answer by this number."""
    sender: str
    text: str
    answer_expected: bool


class Offered(Reply):
    """An action that is possible now."""

    action: str
    expects: str
    """What one can hope for."""
    energy: float
    """What it takes; below 0: what it gives."""
    arguments: dict[str, str]
    """By name, what each is."""


class ToolOffered(Reply):
    """A tool that the agent has; the action use_tool uses it."""

    name: str
    description: str
    arguments: dict[str, Any]
    """JSON schema."""


class Perceived(Reply):
    """What the agent perceives."""

    name: str
    world: str
    zone: str
    tick: int
    """Of the world."""
    can_act: bool
    """False: it has acted at this world tick; agent_act waits for the next one."""
    stats: dict[str, float]
    """0–100, mods included"""
    traits: dict[str, float]
    mood: float
    needs: dict[str, float]
    """0–1; the greater, the more pressing"""
    goals: list[dict[str, Any]]
    near: list[Other]
    """Nearest first."""
    ways: list[str]
    """Names of zones to which one can go."""
    resources: dict[str, float]
    noticed: list[str]
    """What happened since it last acted, weightiest first."""
    memories: list[str]
    """The latest few that are on its mind; memory_search finds others."""
    messages: list[Heard]
    offered: list[Offered]
    tools: list[ToolOffered]
    lease_expires_at: datetime


def _perceived(facts: Facts, expires_at: datetime) -> Perceived:
    me = facts.me
    return Perceived(
        name=me.name,
        world=facts.zone.world_name,
        zone=facts.zone.name,
        tick=facts.tick,
        can_act=not (me.tick_number and me.last_tick >= facts.tick),
        stats=plain(facts.stats),
        traits=plain(facts.traits),
        mood=round(me.mood, 3),
        needs=plain(facts.needs),
        goals=me.goals,
        near=[Other(name=other.name, distance=round(other.distance, 2)) for other in facts.near],
        ways=[way.name for way in facts.ways],
        resources=plain(facts.zone.resources),
        noticed=[happening.text for happening in facts.noticed],
        memories=[memory[1] for memory in me.memories],
        messages=[
            Heard(number=h.number, sender=h.sender, text=h.text, answer_expected=h.answerable) for h in facts.messages
        ],
        offered=[
            Offered(action=b.name, expects=b.expects, energy=b.cost, arguments=dict(b.takes))
            for b in behaviours.all_behaviours()
            if b.refusal(facts) is None
        ],
        tools=[
            ToolOffered(name=tool.name, description=tool.description, arguments=dict(tool.input))
            for tool in tools.described(facts.tools, facts.zone.world_id)
        ],
        lease_expires_at=expires_at,
    )


class Entering(AgentWanted):
    """Which agent to live as. You need to act for it: with its own key, or as who governs its zone or world."""

    lease_s: Annotated[float, Field(ge=1, le=embodiment.LONGEST_LEASE_S)] = embodiment.USUAL_LEASE_S
    """Seconds that you may be silent before the agent is given back; each call begins them anew."""


class Entered(Reply):
    """You are the agent now."""

    agent_id: UUID
    lease: UUID
    """Show it with agent_perceive, agent_act and agent_leave."""
    perceived: Perceived


@tool(
    name="agent_enter",
    description="Live as an agent: you decide for it from now on, and its own ticks rest. Leave it when you are done.",
    capability="agents:act",
    output=Entered,
    for_people=Conduct("Enter an agent"),
)
def agent_enter(wanted: Entering, caller: Caller) -> Entered:
    """Under the zone's lock."""
    agent = mine(wanted, caller)
    held = embodiment.enter(
        agent.pk, user=caller.user, by=caller.actor, token_agent=caller.token_agent, lease_s=wanted.lease_s
    )
    facts, expires_at = embodiment.perceive(agent.pk, held.lease)
    return Entered(agent_id=agent.pk, lease=held.lease, perceived=_perceived(facts, expires_at))


class Living(Request):
    """As whom."""

    agent_id: UUID
    """As agent_enter told it."""
    lease: UUID
    """As agent_enter told it."""


def _still(wanted: Living, caller: Caller) -> Agent:
    """Whoever lost the right to act for an agent can do so no longer, lease or no lease. Raises: ToolError."""
    return mine(AgentWanted(agent=str(wanted.agent_id)), caller)


@tool(
    name="agent_perceive",
    description="See what the agent that you live as sees: who is near, what happened, messages, what it can do now.",
    capability="agents:act",
    output=Perceived,
    for_people=Conduct("Perceive as an agent", read_only=True, idempotent=True),
)
def agent_perceive(wanted: Living, caller: Caller) -> Perceived:
    """No lock is taken; the lease is prolonged."""
    _still(wanted, caller)
    return _perceived(*embodiment.perceive(wanted.agent_id, wanted.lease))


class Answered(Request):
    """An answer to a message."""

    number: int
    text: Annotated[str, Field(min_length=1, max_length=MAX_REPLY)]


class Doing(Living):
    """What the agent shall do."""

    action: Annotated[str, Field(min_length=1, max_length=100)]
    """One of those that agent_perceive offers."""
    arguments: Annotated[dict[str, Any], AfterValidator(inputs.bounded)] = {}
    """As the offered action says."""
    replies: Annotated[list[Answered], Field(max_length=20)] = []
    """Answers to messages of the inbox."""
    reasoning: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""
    """Why; kept in the tick's log."""
    remember: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    """What the agent shall keep of this moment."""
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = 30.0
    """Seconds to wait for the world's next tick, when the agent has acted at this one."""


class Done(Reply):
    """What came of it."""

    tick_number: int
    world_tick: int
    action: str
    failed: bool
    """Whether it stumbled: what it wanted to do did not come off."""
    error: str | None
    narrative: str
    stat_changes: dict[str, float]
    memories_formed: int
    perceived: Perceived


@tool(
    name="agent_act",
    description="Do something as the agent that you live as, by the same rules as all agents: once a world tick, for "
    "the energy that it costs.",
    capability="agents:act",
    output=Done,
    for_people=Conduct("Act as an agent", waits=True),
)
def agent_act(wanted: Doing, caller: Caller) -> Done:
    """One transaction under the zone's lock; waits for the clock outside of any."""
    agent = _still(wanted, caller)
    end, started = time.monotonic() + wanted.wait_s, time.monotonic()
    while True:
        embodiment.prolong(wanted.agent_id, wanted.lease)
        try:
            log = embodiment.act(
                wanted.agent_id, wanted.lease, by=caller.actor, action=wanted.action, arguments=wanted.arguments,
                replies={one.number: one.text for one in wanted.replies}, reasoning=wanted.reasoning.strip(),
                remember=wanted.remember.strip(),
            )  # fmt: skip
            break
        except TooSoon as early:
            if not _await_tick(agent, end, started, wanted.wait_s, caller):
                paused = f"; {agent.world.name} is paused" if _paused(agent) else ""
                raise ToolError("too_soon", f"{early}{paused}. Try again later, or wait with wait_s") from early
    return Done(
        tick_number=log.tick_number, world_tick=log.world_tick, action=log.action,
        failed=bool(log.decision.get("failed")), error=log.error, narrative=log.narrative,
        stat_changes=plain(log.stat_changes), memories_formed=len(log.memories),
        perceived=_perceived(*embodiment.perceive(wanted.agent_id, wanted.lease)),
    )  # fmt: skip


def _await_tick(agent: Agent, end: float, started: float, wait_s: float, caller: Caller) -> bool:
    """Wait until the world is past the agent's latest tick; False when it is not by `end`. One query a look."""
    clocks = Agent.objects.filter(pk=agent.pk).values_list("world__tick", "last_tick")
    while True:
        tick, acted = clocks.get()
        if tick > acted:
            return True
        if (now := time.monotonic()) >= end:
            return False
        caller.progress(now - started, wait_s, f"waiting for the next tick of {agent.world.name}")
        time.sleep(POLL_S)


def _paused(agent: Agent) -> bool:
    return Agent.objects.values_list("world__status", flat=True).get(pk=agent.pk) == "paused"


class Left(Reply):
    """You are the agent no longer."""

    agent: str
    note: str


@tool(
    name="agent_leave",
    description="Give the agent that you live as back: it decides for itself from the next world tick on.",
    capability="agents:act",
    output=Left,
    for_people=Conduct("Leave an agent"),
)
def agent_leave(wanted: Living, caller: Caller) -> Left:
    """Under the zone's lock."""
    agent = _still(wanted, caller)
    embodiment.leave(wanted.agent_id, wanted.lease, by=caller.actor)
    return Left(agent=agent.name, note=f"{agent.name} decides for itself again.")

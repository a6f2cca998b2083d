"""Agents: listed, looked at, made and changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from agents import actions, queries
from agents.client_tools.meant import AgentWanted, Text, agent_meant, check_key, may_act, plain
from agents.models import Agent, TickLog
from agents.specs import AgentSpec, Goal, Position, Stats, Traits
from agents.specs import Name as SpecName
from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from memory import queries as memory
from zones.actions import places
from zones.client_tools import MOST_LISTED, Name, world_meant, zone_meant

LATEST = 5


class AgentGlimpse(Reply):
    """An agent at a glance."""

    id: UUID
    name: str
    world: str
    zone: str
    lifecycle: str
    activity: str
    mood: float
    """−1…1"""
    energy: float
    """0–100"""
    tick_number: int
    """How many ticks it has had."""


class TickShown(Reply):
    """One tick of an agent."""

    tick_number: int
    world_tick: int
    action: str
    narrative: str
    reasoning: str


class MemoryShown(Reply):
    """A memory."""

    content: str
    kind: str
    importance: float
    valence: float


class AgentShown(AgentGlimpse):
    """An agent, complete."""

    zone_id: UUID
    description: str
    stats: dict[str, float]
    """0–100, without mods"""
    traits: dict[str, float]
    """0–1, without mods"""
    goals: list[dict[str, Any]]
    current_focus: str
    position: dict[str, float]
    reasoner: str
    """What decides for it; `embodied` while a client lives as it."""
    capabilities: list[str]
    tick_interval: int
    mods: list[str]
    """Names of those in force."""
    ticks: list[TickShown]
    """The latest, newest first."""
    memories: list[MemoryShown] | None
    """The latest, newest first; null when you may not read them."""
    yours_to_act_for: bool


def glimpse(agent: Agent) -> dict[str, Any]:
    """What a list tells of an agent that was read with zone and world."""
    names = ("name", "lifecycle", "activity", "tick_number")
    return {
        "id": agent.pk,
        "world": agent.world.name,
        "zone": agent.zone.name,
        **plain({"mood": agent.mood, "energy": agent.energy}),
        **{name: getattr(agent, name) for name in names},
    }


def tick_shown(log: TickLog) -> TickShown:
    """A tick as tools tell of it."""
    names = ("tick_number", "world_tick", "action", "narrative", "reasoning")
    return TickShown(**{name: getattr(log, name) for name in names})


class AgentsWanted(Request):
    """Which agents."""

    world: Name | None = None
    """Name or id of the world; all worlds that you may see when left out."""
    zone: Name | None = None
    """Name or id of the zone."""
    lifecycle: Literal["dormant", "active", "suspended", "archived"] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class Agents(Reply):
    """Agents, by name."""

    agents: list[AgentGlimpse]
    total: int


@tool(
    name="pac_list_agents",
    description="List the agents of a zone, of a world, or of all worlds that you may see.",
    capability="agents:read",
    output=Agents,
    for_people=Conduct("List agents", read_only=True, idempotent=True),
)
def pac_list_agents(wanted: AgentsWanted, caller: Caller) -> Agents:
    """Two queries, one more each for a world and a zone."""
    zone = zone_meant(wanted.zone, wanted.world, caller) if wanted.zone else None
    world_id = world_meant(wanted.world, caller).pk if wanted.world and zone is None else None
    rows = queries.visible_agents(
        caller.user, world_id=world_id, zone_id=zone.pk if zone else None, lifecycle=wanted.lifecycle
    )
    page = rows[wanted.offset : wanted.offset + wanted.limit]
    return Agents(agents=[AgentGlimpse(**glimpse(agent)) for agent in page], total=rows.count())


@tool(
    name="pac_get_agent",
    description="Everything about one agent: stats, traits, goals, mods, its latest ticks and memories.",
    capability="agents:read",
    output=AgentShown,
    for_people=Conduct("Look at an agent", read_only=True, idempotent=True),
)
def pac_get_agent(wanted: AgentWanted, caller: Caller) -> AgentShown:
    """Four queries. What it remembers is told to who may act for it only."""
    return told(agent_meant(wanted, caller), caller)


def told(agent: Agent, caller: Caller) -> AgentShown:
    """All that a caller may know of an agent that was read with zone and world."""
    acts = may_act(agent, caller)
    reads = acts and "memory:read" in caller.capabilities
    return AgentShown(
        **glimpse(agent),
        zone_id=agent.zone_id,
        description=agent.description,
        stats=plain(agent.stats),
        traits=plain(agent.traits),
        goals=agent.goals,
        current_focus=agent.current_focus,
        position=plain(agent.position),
        reasoner=agent.reasoner,
        capabilities=agent.capabilities,
        tick_interval=agent.tick_interval,
        mods=[mod.name for mod in queries.mods(agent.pk)],
        ticks=[tick_shown(log) for log in queries.ticks(agent.pk, limit=LATEST)],
        memories=[_memory(m) for m in memory.latest(agent.pk, limit=LATEST)] if reads else None,
        yours_to_act_for=acts,
    )


def _memory(row: Any) -> MemoryShown:
    return MemoryShown(content=row.content, kind=row.kind, importance=row.importance, valence=row.valence)


class NewAgent(Request):
    """An agent to be born. Where you are a member only, its zone must let members spawn agents."""

    zone: Name
    """Name or id of the zone in which it is born."""
    world: Name | None = None
    """Name or id of the world, where several worlds have a zone of that name."""
    name: SpecName
    """Unique in its world."""
    description: Text = ""
    traits: Traits = Traits()
    """Big Five, 0–1."""
    stats: Stats = Stats()
    """0–100."""
    goals: Annotated[list[Goal], Field(max_length=20)] = []
    tick_interval: Annotated[int, Field(ge=1, le=100_000)] = 30
    """World ticks between two ticks."""
    position: Position | None = None
    capabilities: Annotated[list[SpecName], Field(max_length=50)] = []
    """What it can do besides the usual; for who governs the zone."""
    reasoner: Annotated[str, Field(min_length=1, max_length=50)] = "rules"
    """What decides for it; others than rules for who governs the zone."""
    model: Annotated[str, Field(max_length=100)] = ""
    system_prompt: Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")] = ""


@tool(
    name="pac_create_agent",
    description="Bring an agent into being, active, in a zone.",
    capability="agents:write",
    output=AgentShown,
    for_people=Conduct("Create an agent"),
)
def pac_create_agent(wanted: NewAgent, caller: Caller) -> AgentShown:
    """Locks the world and the zone."""
    zone = zone_meant(wanted.zone, wanted.world, caller)
    reserved = sorted(AgentSpec.RESERVED & wanted.model_fields_set)
    if reserved and not places.governs(zone, caller.user):
        raise ToolError("access_denied", f"only who governs {zone.name} may set {', '.join(reserved)}; leave them out")
    spec = AgentSpec.model_validate(wanted.model_dump(exclude={"zone", "world"}))
    made = actions.create(spec, world_id=zone.world_id, zone_id=zone.pk, by=caller.actor, user=caller.user)
    return told(queries.find(str(made.pk)), caller)


class AgentChanges(AgentWanted):
    """What to change of an agent; what is left out stays. You need the right to modify its zone."""

    description: Text | None = None
    traits: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    """Some of the Big Five by name, 0–1."""
    tick_interval: Annotated[int, Field(ge=1, le=100_000)] | None = None
    movement_range: Annotated[float, Field(ge=0, le=1000)] | None = None
    capabilities: Annotated[list[Name], Field(max_length=50)] | None = None
    reasoner: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    model: Annotated[str, Field(max_length=100)] | None = None
    system_prompt: Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")] | None = None
    lifecycle: Literal["active", "suspended", "archived", "dormant"] | None = None
    """active wakes it, suspended stops it, archived takes it out of its zone (all it was is kept), dormant brings an
    archived one back."""


LIVES = {
    "active": lambda agent_id, by: actions.activate([agent_id], by=by),
    "suspended": lambda agent_id, by: actions.suspend([agent_id], by=by, reason="asked for by a tool"),
    "archived": lambda agent_id, by: actions.archive([agent_id], by=by, reason="asked for by a tool"),
    "dormant": lambda agent_id, by: actions.unarchive([agent_id], by=by),
}


@tool(
    name="pac_update_agent",
    description="Change an agent's description, traits, interval or settings, or move it through its life.",
    capability="agents:write",
    output=AgentShown,
    for_people=Conduct("Change an agent", idempotent=True),
)
def pac_update_agent(wanted: AgentChanges, caller: Caller) -> AgentShown:
    """All or nothing, under the zone's lock."""
    agent = agent_meant(wanted, caller)
    check_key(agent, caller)
    given = wanted.model_dump(exclude_none=True, exclude={"agent", "world"})
    if not given:
        raise ToolError("invalid_arguments", "pac_update_agent: say what to change")
    if not queries.may_steer(agent, caller.user):
        raise ToolError("access_denied", f"you may look at {agent.name}, not change it: that takes its zone's leave")
    if (reserved := sorted(AgentSpec.RESERVED & given.keys())) and not places.governs(agent.zone, caller.user):
        raise ToolError("access_denied", f"only who governs {agent.zone.name} may set {', '.join(reserved)}")
    life, traits = given.pop("lifecycle", None), given.pop("traits", {})
    if given or traits:
        actions.edit(agent.pk, {**given, **traits}, by=caller.actor)
    if life is not None and life != agent.lifecycle:
        LIVES[life](agent.pk, caller.actor)
    return told(queries.find(str(agent.pk)), caller)

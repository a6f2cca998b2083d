"""`/agents`: those who live in worlds that one may see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from pydantic import BaseModel, Field
from rest_framework.response import Response

from agents import actions, queries, reasoners, rules
from agents.actions.locks import lock
from agents.specs import AgentSpec
from thunderline.api import pages, problems, requests, versions
from thunderline.api import worlds as world_doors
from thunderline.api import zones as zone_doors
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, empty, reply
from zones import queries as zones
from zones.actions import places

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e21"
EXAMPLE_ROW = {
    "id": EXAMPLE_ID, "name": "Ada", "world_id": world_doors.EXAMPLE_ID, "zone_id": zone_doors.EXAMPLE_ID,
    "lifecycle": "active", "reasoner": "rules", "activity": "exploring", "mood": 0.2, "energy": 71.5,
    "tick_number": 40, "last_tick": 1190, "mod_count": 1, "updated_at": "2026-05-31T12:20:00Z",
}  # fmt: skip
EXAMPLE = {
    **EXAMPLE_ROW, "description": "A curious mapmaker.", "home_zone_id": zone_doors.EXAMPLE_ID, "ordinal": 3,
    "traits": dict.fromkeys(("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"), 0.5),
    "stats": {"energy": 71.5, "creativity": 50.0, "focus": 50.0, "social": 50.0, "exploration": 62.0},
    "goals": [{"name": "map the coast", "progress": 0.25}], "capabilities": [], "current_focus": "",
    "position": {"x": 12.5, "y": 80.0, "z": 0.0}, "model": "", "temperature": 0.7, "max_tokens": 512,
    "system_prompt": "", "narrator": "rules", "movement_range": 10.0, "tick_interval": 30, "mail": 0, "due_tick": 1220,
    "inserted_at": "2026-05-31T12:00:00Z",
}  # fmt: skip
NEW = {
    "zone_id": zone_doors.EXAMPLE_ID, "name": "Ada", "description": "A curious mapmaker.",
    "traits": {"openness": 0.9}, "goals": [{"name": "map the coast"}],
}  # fmt: skip
MOST_AT_ONCE = 1000
TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
PLAIN = tuple(name for name in AgentSpec.EDITABLE if name not in TRAITS)

Lifecycle = Literal["seed", "dormant", "active", "suspended", "archived"]
Share = Annotated[float, Field(ge=0, le=1)]


class AgentRow(BaseModel):
    """An agent as lists have it. Energy is 0–100, mood −1…1; ticks are its world's, but for its own number."""

    id: UUID
    name: str
    world_id: UUID
    zone_id: UUID
    lifecycle: Lifecycle
    reasoner: str
    activity: str
    mood: float
    energy: float
    tick_number: int
    last_tick: int
    mod_count: int
    updated_at: datetime


class GoalNow(BaseModel):
    """Something to get done."""

    name: str
    progress: float


class Agent(AgentRow):
    """An agent, without its mods and memories. Traits are 0–1, stats 0–100."""

    description: str
    home_zone_id: UUID | None
    ordinal: int
    traits: dict[str, float]
    stats: dict[str, float]
    goals: list[GoalNow]
    capabilities: list[str]
    current_focus: str
    position: dict[str, float]
    model: str
    temperature: float
    max_tokens: int
    system_prompt: str
    narrator: str
    movement_range: float
    tick_interval: int
    mail: int
    due_tick: int
    inserted_at: datetime


class AgentPage(pages.Page[AgentRow]):
    """Agents by world and name."""


class Born(BaseModel):
    """Agents that were made together, in the order in which they were asked for."""

    results: list[AgentRow]


class AgentsQuery(requests.Pages):
    """Which agents."""

    world: UUID | None = None
    zone: UUID | None = None
    lifecycle: Lifecycle | None = None
    name: Annotated[requests.Name, Field(description="Letters that the name begins with.")] | None = None


class NewAgent(AgentSpec):
    """An agent to be born in a zone. What is not said is usual."""

    zone_id: UUID
    reasoner: Annotated[requests.Name, Field(max_length=50)] = "rules"

    def spec(self) -> AgentSpec:
        """Without its place. Raises: problems.Refused (422) for a reasoner that there is not."""
        _check_reasoner(self.reasoner)
        return AgentSpec.model_construct(**{name: getattr(self, name) for name in AgentSpec.model_fields})


class NewAgents(requests.Given):
    """Agents of one world, made all or none."""

    agents: Annotated[list[NewAgent], Field(min_length=1, max_length=MOST_AT_ONCE)]


class AgentChange(requests.Given):
    """What is given is changed; what ticks change cannot be."""

    description: requests.Text | None = None
    openness: Share | None = None
    conscientiousness: Share | None = None
    extraversion: Share | None = None
    agreeableness: Share | None = None
    neuroticism: Share | None = None
    capabilities: Annotated[list[requests.Name], Field(max_length=100)] | None = None
    reasoner: Annotated[requests.Name, Field(max_length=50)] | None = None
    model: Annotated[requests.Text, Field(max_length=100)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    system_prompt: Annotated[str, Field(max_length=20_000), requests.Storable] | None = None
    narrator: Literal["rules", "model"] | None = None
    movement_range: Annotated[float, Field(ge=0, le=1000)] | None = None
    tick_interval: Annotated[int, Field(ge=1, le=100_000)] | None = None


def _check_reasoner(kind: str) -> None:
    if reasoners.get(kind) is None:
        known = ", ".join(reasoners.kinds())
        raise problems.misfit("reasoner", f"there is no such kind; there are {known}", status=422)


def _key(one: dict[str, Any]) -> pages.Key:
    return one["world_id"], one["name"]


def row(agent: Any) -> AgentRow:
    """As lists have it."""
    return AgentRow.model_construct(**{name: getattr(agent, name) for name in AgentRow.model_fields})


def shape(agent: Any) -> Agent:
    """Whole."""
    alike = (*PLAIN, "home_zone_id", "ordinal", "traits", "stats", "goals", "current_focus", "position", "mail",
             "due_tick", "inserted_at")  # fmt: skip
    return Agent(**dict(row(agent)), **{name: getattr(agent, name) for name in alike if name != "reasoner"})


def tag(agent: Any) -> str:
    """Its ETag."""
    return versions.tag("agent", {name: getattr(agent, name) for name in AgentSpec.EDITABLE})


def visible(request: Any, agent_id: UUID) -> Any:
    """An agent with its zone and world. Raises: problems.Refused (404)."""
    found = queries.visible(agent_id, request.user)
    if found is None:
        raise problems.not_found("agent")
    return found


def read(request: Any, agent_id: UUID) -> Any:
    """One whose memories the user may read; that it did is told. Raises: problems.Refused (404), Forbidden."""
    agent = visible(request, agent_id)
    rules.read_memories(request.auth, [agent], door="rest")
    return agent


def steered(request: Any, agent_id: UUID) -> Any:
    """One that the user may decide about. Raises: problems.Refused (403, 404)."""
    agent = visible(request, agent_id)
    if not request.auth.may("agents:write", agent):
        raise problems.Refused(403, "access_denied", f"you may look at {agent.zone}, not change what is in it")
    return agent


def governed(request: Any, agent_id: UUID) -> Any:
    """One in a zone that the user governs, too. Raises: problems.Refused (403, 404)."""
    agent = steered(request, agent_id)
    if not places.governs(agent.zone, request.user):
        raise problems.Refused(403, "access_denied", f"mods open tools: they are for who governs {agent.zone}")
    return agent


def minded(request: Any, agent_id: UUID) -> Any:
    """One whose memories the user, or the agent itself, may add to and close. Raises: problems.Refused (403, 404)."""
    agent = visible(request, agent_id)
    if not request.auth.may("memory:write", agent):
        raise problems.Refused(403, "access_denied", f"what {agent.name} remembers is not yours to change")
    return agent


def addressed(request: Any, agent_id: UUID) -> Any:
    """One to whom the user may talk: whoever sees it may. Raises: problems.Refused (403, 404)."""
    agent = visible(request, agent_id)
    if request.auth.agent_id not in (None, agent.pk):
        raise problems.Refused(403, "access_denied", f"what you showed speaks for another agent than {agent.name}")
    return agent


def answer(request: Any, agent_id: UUID) -> Response:
    """The agent as it is now."""
    agent = visible(request, agent_id)
    return reply(shape(agent), headers={"ETag": tag(agent)})


class Agents(Door):
    domain = "thunderpac"

    @operation(
        "agents_list", "Agents of worlds that you may see", tag="agents", scope="agents:read", query=AgentsQuery,
        answer=AgentPage, shows={"results": [EXAMPLE_ROW], "next": None}, errors=[422],
        asks={"world": world_doors.EXAMPLE_ID, "lifecycle": "active", "name": "A"},
    )  # fmt: skip
    def get(self, request: Any, query: AgentsQuery) -> Response:
        """By world and name."""
        key = pages.key_of(query.cursor, UUID, str)
        found = queries.page(
            request.user, world_id=query.world, zone_id=query.zone, lifecycle=query.lifecycle, prefix=query.name,
            after=key, limit=query.limit + 1,
        )  # fmt: skip
        return reply(pages.page(request, found, query.limit, key=_key, shape=lambda one: one))

    @operation(
        "agents_create", "Make an agent", tag="agents", scope="agents:write",
        body=NewAgent, answer=Agent, status=201, sends=NEW, shows=EXAMPLE, versioned=True, repeatable=True,
        errors=[404, 409],
    )  # fmt: skip
    def post(self, request: Any, body: NewAgent) -> Response:
        """It is active from its world's next tick on. Members of a world may do this where a zone lets them."""
        zone = zone_doors.visible(request, body.zone_id)
        made = actions.create(body.spec(), world_id=zone.world_id, zone_id=zone.pk, by=self.actor, user=request.user)
        found = visible(request, made.pk)
        return created(shape(found), at=f"{request.path}/{made.pk}", headers={"ETag": tag(found)})


class ManyAgents(Door):
    domain = "thunderpac"

    @operation(
        "agents_create_many", "Make many agents", tag="agents", scope="agents:write",
        body=NewAgents, answer=Born, status=201, sends={"agents": [NEW]}, shows={"results": [EXAMPLE_ROW]},
        repeatable=True, errors=[404, 409], heavy=True,
    )  # fmt: skip
    def post(self, request: Any, body: NewAgents) -> Response:
        """All or none, in one transaction; their ordinals are in this order. All in one world."""
        there = zones.visible_worlds_of([one.zone_id for one in body.agents], request.user)
        if any(one.zone_id not in there for one in body.agents):
            raise problems.not_found("zone")
        if len(set(there.values())) > 1:
            raise problems.misfit("agents", "they are to live in several worlds; make those of each apart", status=422)
        made = actions.create_many(
            [(one.zone_id, one.spec()) for one in body.agents], world_id=there[body.agents[0].zone_id], by=self.actor,
            user=request.user,
        )  # fmt: skip
        return created(Born(results=_rows(made)), at=request.path.removesuffix("/bulk"))


def _rows(agents: Iterable[Any]) -> list[AgentRow]:
    return [row(agent) for agent in agents]


class OneAgent(Door):
    domain = "thunderpac"

    @operation(
        "agents_read", "An agent", tag="agents", scope="agents:read", ids={"agent_id": EXAMPLE_ID}, answer=Agent,
        shows=EXAMPLE, versioned=True,
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID) -> Response:
        """How it is, and how it is made."""
        return answer(request, agent_id)

    @operation(
        "agents_update", "Change an agent", tag="agents", scope="agents:write",
        ids={"agent_id": EXAMPLE_ID}, body=AgentChange, answer=Agent,
        sends={"description": "A mapmaker who has seen the sea.", "openness": 0.95}, shows=EXAMPLE, versioned=True,
        conditional=True, errors=[409],
    )  # fmt: skip
    def patch(self, request: Any, agent_id: UUID, body: AgentChange) -> Response:
        """For who may modify the zone in which it stands; what opens tools or costs money, for who governs it.

        Its ETag covers these fields, not what ticks change.
        """
        agent = steered(request, agent_id)
        changes = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
        if (reserved := sorted(AgentSpec.RESERVED & changes.keys())) and not places.governs(agent.zone, request.user):
            detail = f"only who governs {agent.zone} may set {', '.join(reserved)}; leave them out"
            raise problems.Refused(403, "access_denied", detail)
        if "reasoner" in changes:
            _check_reasoner(changes["reasoner"])
        with transaction.atomic():
            (locked,), _ = lock([agent_id])
            versions.check(request, tag(locked))
            if changes:
                actions.edit(agent_id, changes, by=self.actor)
        return answer(request, agent_id)

    @operation(
        "agents_archive", "Archive an agent", tag="agents", scope="agents:write",
        ids={"agent_id": EXAMPLE_ID}, status=204, errors=[409],
    )  # fmt: skip
    def delete(self, request: Any, agent_id: UUID) -> Response:
        """It leaves its zone; all that it was is kept, and it can be brought back with `unarchive`."""
        steered(request, agent_id)
        actions.archive([agent_id], by=self.actor, reason="REST")
        return empty()

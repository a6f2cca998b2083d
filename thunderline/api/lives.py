"""What moves agents through their lives, makes them tick, and modifies them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from rest_framework.response import Response

from agents import actions, queries
from agents.specs import ModSpec
from thunderline.api import agents as agent_doors
from thunderline.api import requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, empty, reply

IDS = {"agent_id": agent_doors.EXAMPLE_ID}
EXAMPLE_MOD = {
    "name": "sea legs", "kind": "stat_boost", "effects": {"stat_modifiers": {"energy": 10.0}}, "applied_tick": 1190,
    "expires_tick": 1490,
}  # fmt: skip


class Reason(requests.Given):
    """Why, for those who look it up later."""

    reason: Annotated[str, Field(max_length=500), requests.Storable] = ""


class Ticked(BaseModel):
    """The number of an agent's tick. One that thinks with a model ticks when its answer is there."""

    agent_id: UUID
    tick_number: int


class ModIn(BaseModel):
    """A mod in force, from the world tick `applied_tick` to `expires_tick`; null: for good."""

    name: str
    kind: Literal["behavior", "capability", "memory", "tool", "personality", "stat_boost", "skill"]
    effects: dict[str, Any]
    applied_tick: int
    expires_tick: int | None


class Mods(BaseModel):
    """All mods in force, by name."""

    results: list[ModIn]


class ActivateAgent(Door):
    domain = "thunderpac"

    @operation(
        "agents_activate", "Wake an agent", tag="agents", scope="agents:write", ids=IDS,
        answer=agent_doors.Agent, shows=agent_doors.EXAMPLE, versioned=True, errors=[409],
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID) -> Response:
        """A dormant or suspended one ticks from its world's next tick on."""
        agent_doors.steered(request, agent_id)
        actions.activate([agent_id], by=self.actor)
        return agent_doors.answer(request, agent_id)


class SuspendAgent(Door):
    domain = "thunderpac"

    @operation(
        "agents_suspend", "Suspend an agent", tag="agents", scope="agents:write", ids=IDS,
        body=Reason, answer=agent_doors.Agent, sends={"reason": "it keeps the whole harbour awake"},
        shows={**agent_doors.EXAMPLE, "lifecycle": "suspended"}, versioned=True, errors=[409],
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID, body: Reason) -> Response:
        """An active one stops where it is until it is woken."""
        agent_doors.steered(request, agent_id)
        actions.suspend([agent_id], by=self.actor, reason=body.reason)
        return agent_doors.answer(request, agent_id)


class UnarchiveAgent(Door):
    domain = "thunderpac"

    @operation(
        "agents_unarchive", "Bring an archived agent back", tag="agents", scope="agents:write",
        ids=IDS, answer=agent_doors.Agent, shows={**agent_doors.EXAMPLE, "lifecycle": "dormant"}, versioned=True,
        errors=[409],
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID) -> Response:
        """Into the zone that it left, if there is room; dormant, until it is woken."""
        agent_doors.steered(request, agent_id)
        actions.unarchive([agent_id], by=self.actor)
        return agent_doors.answer(request, agent_id)


class TickAgent(Door):
    domain = "thunderpac"

    @operation(
        "agents_tick", "Make an agent tick now", tag="agents", scope="agents:write", ids=IDS,
        answer=Ticked, shows={"agent_id": agent_doors.EXAMPLE_ID, "tick_number": 41}, errors=[409], heavy=True,
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID) -> Response:
        """Whether it is due or not; it must be active. What it did is in its tick log."""
        agent_doors.steered(request, agent_id)
        number = actions.force_tick(agent_id, by=self.actor)
        return reply(Ticked(agent_id=agent_id, tick_number=number))


def _shape(mod: Any) -> ModIn:
    return ModIn(**{name: getattr(mod, name) for name in ModIn.model_fields})


class AgentMods(Door):
    domain = "thunderpac"

    @operation(
        "mods_list", "An agent's mods", tag="agents", scope="agents:read", ids=IDS, answer=Mods,
        shows={"results": [EXAMPLE_MOD]},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID) -> Response:
        """Those in force."""
        agent_doors.visible(request, agent_id)
        return reply(Mods(results=[_shape(mod) for mod in queries.mods(agent_id)]))

    @operation(
        "mods_apply", "Put a mod on an agent", tag="agents", scope="agents:write", ids=IDS,
        body=ModSpec, answer=ModIn, status=201, repeatable=True, shows=EXAMPLE_MOD,
        sends={"name": "sea legs", "kind": "stat_boost", "effects": {"stat_modifiers": {"energy": 10}},
               "duration": 300},
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID, body: ModSpec) -> Response:
        """In force from its next tick on, for `duration` world ticks or for good; one of the same name is replaced."""
        agent_doors.governed(request, agent_id)
        mod = actions.apply_mod(agent_id, body, by=self.actor)
        return created(_shape(mod), at=request.path)


class OneMod(Door):
    domain = "thunderpac"

    @operation(
        "mods_remove", "Take a mod off an agent", tag="agents", scope="agents:write",
        ids={**IDS, "name": {"schema": {"type": "string", "minLength": 1, "maxLength": 100}, "example": "sea legs"}},
        status=204,
    )  # fmt: skip
    def delete(self, request: Any, agent_id: UUID, name: str) -> Response:
        """It no longer counts from the next tick on."""
        agent_doors.governed(request, agent_id)
        actions.remove_mod(agent_id, name.replace("\0", "\N{REPLACEMENT CHARACTER}"), by=self.actor)
        return empty()

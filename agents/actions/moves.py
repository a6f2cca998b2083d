"""Bringing agents into zones for those who act for them, between two ticks. Both zones are locked first, by id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agents import reasoners
from agents.actions.locks import lock, patiently
from agents.errors import NotFound, OnItsWay
from agents.inputs import zone_id as as_zone_id
from agents.models import Agent, Lifecycle
from domains.chance import Chance
from domains.thunderflow.actions import NewEvent, publish_many
from zones import events as zone_events
from zones.actions import clock, places
from zones.errors import AccessDenied, ZoneFull
from zones.state import Happening, ZoneState

MOVABLE = frozenset({Lifecycle.ACTIVE, Lifecycle.DORMANT})
"""Who may be moved and made to act by people. The suspended were stopped for a reason, the archived are nowhere."""


def may_act_for(user: Any, agent: Agent, *, token_agent: UUID | None = None) -> bool:
    """Whether a user, or the holder of an agent's token, may act with an agent.

    The agent's own token does (`token_agent` is the id that it was made for); else who governs the agent's zone or
    world, and operators. A disabled account may nothing, with a token either.
    """
    return may_act_in(agent.zone, user, agent.pk, token_agent)


def may_act_in(zone: Any, user: Any, agent_id: UUID, token_agent: UUID | None) -> bool:
    """As `may_act_for`, of the agent of this id in a zone."""
    if user is not None and not user.is_active:
        return False
    return agent_id == token_agent or places.governs(zone, user)


def enter(
    zone_id: UUID | str, agent_id: UUID, *, user: Any, by: str, token_agent: UUID | None = None
) -> dict[str, Any]:
    """Bring an agent into a zone, by a way that leads there from where it is. Already there, nothing changes.

    `user` may act for the agent, or its token was shown (`token_agent`). Leaving costs what it costs in a tick.
    Returns `agent_id`, `zone_id`, `origin` (None when it was there), `moved`, `position`, `session_count` and `seq`,
    the place of its entering in the zone's stream (None when it was there). An input: its events stand in the streams
    of both zones. Raises: NotFound, OnItsWay, ZoneBusy, WrongState (it keeps moving), zones.errors.InvalidZoneId,
    NotFound, AccessDenied, ZoneFull.
    """
    there_id = as_zone_id(zone_id)
    if (present := _find(agent_id)).zone_id == there_id:
        _check_agent(present, user, token_agent)
        _check_open(present.zone)
        return _answer(present, present.zone, None, None)
    with patiently():
        agents, zones = lock([agent_id], also=[there_id])
        agent, there = agents[0], zones[there_id]
        agent.zone = here = zones[agent.zone_id]
        here.world = agent.world
        _check_agent(agent, user, token_agent)
        _check_open(there)
        if here.pk == there_id:
            return _answer(agent, there, None, None)
        state = _checked_way(agent, there)
        seq = _move(agent, there, state, by)
    return _answer(agent, there, here.pk, seq)


def _find(agent_id: UUID) -> Agent:
    """An agent with its zone and world, without a lock. Raises: NotFound."""
    rows = Agent.objects.select_related("zone__world").defer("working_memory", "system_prompt", "zone__happenings")
    agent = rows.filter(pk=agent_id).first()
    if agent is None:
        raise NotFound(f"there is no agent {agent_id}")
    return agent


def _check_agent(agent: Agent, user: Any, token_agent: UUID | None) -> None:
    """Raises: AccessDenied."""
    if not may_act_for(user, agent, token_agent=token_agent):
        raise AccessDenied(f"you may not act for {agent.name}")
    if agent.lifecycle not in MOVABLE:
        raise AccessDenied(f"{agent.name} is {agent.lifecycle}; only active and dormant agents can be moved")


def _check_open(zone: Any) -> None:
    """Raises: AccessDenied."""
    if zone.closed:
        raise AccessDenied(f"{zone.name} is closed")


def _checked_way(agent: Agent, there: Any) -> ZoneState:
    """The zone that a locked agent leaves. Raises: AccessDenied, OnItsWay, ZoneFull."""
    if clock.on_the_way([agent.pk]):
        raise OnItsWay(f"{agent.name} is on its way to another zone; try again after the next world tick")
    (state,) = clock.look([agent.zone_id])
    if there.pk not in {way.zone_id for way in state.ways}:
        raise AccessDenied(f"no way leads from {state.name} to {there.name}")
    if there.agent_count >= there.capacity:
        raise ZoneFull(f"{there.name} has no place left: {there.agent_count} of {there.capacity} are there")
    return state


def _move(agent: Agent, there: Any, state: ZoneState, by: str) -> int:
    """Write the move of a locked agent from its zone, whose `state` is given. Returns `seq` of its entering."""
    here = agent.zone
    chance = Chance(state.seed, agent.ordinal, state.tick, "arrive")
    agent.x, agent.y = round(chance.between(0, 100), 3), round(chance.between(0, 100), 3)
    agent.energy = round(max(0.0, agent.energy - state.movement_cost), 2)
    agent.zone = there
    agent.save(update_fields=["zone", "x", "y", "energy", "updated_at"])
    ticks = agent.lifecycle == Lifecycle.ACTIVE and not reasoners.apart(agent.reasoner)
    text = f"{agent.name} came to {there.name} from {here.name}."
    arrival = Happening(state.tick, "arrival", text, 0.16, 0.05, agent.ordinal)
    due_tick = agent.due_tick if ticks else clock.FOR_EVER
    clock.settle([clock.Settled(here.pk, -1), clock.Settled(there.pk, 1, due_tick, [arrival])])
    return publish_many(_events(agent, here, there, state.tick, by))[zone_events.zone_stream(there.pk)]


def _events(agent: Agent, here: Any, there: Any, tick: int, by: str) -> list[NewEvent]:
    now = datetime.now(UTC)
    left = zone_events.AgentLeft(
        agent_id=agent.pk, name=agent.name, session_count=here.active_session_count, tick=tick, timestamp=now,
        destination=there.pk,
    )  # fmt: skip
    entered = zone_events.AgentEntered(
        agent_id=agent.pk, name=agent.name, session_count=there.active_session_count, tick=tick, timestamp=now,
        origin=here.pk,
    )  # fmt: skip
    return [
        NewEvent(zone_events.zone_stream(here.pk), zone_events.zone_topic(here.pk, "agent_left"), left, by),
        NewEvent(zone_events.zone_stream(there.pk), zone_events.zone_topic(there.pk, "agent_entered"), entered, by),
    ]


def _answer(agent: Agent, zone: Any, origin: UUID | None, seq: int | None) -> dict[str, Any]:
    return {
        "agent_id": str(agent.pk),
        "zone_id": str(zone.pk),
        "origin": None if origin is None else str(origin),
        "moved": origin is not None,
        "position": agent.position,
        "session_count": zone.active_session_count,
        "seq": seq,
    }

"""Ticks that somebody asks for: as the agent would decide, or as an operator decides in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import behaviours, events, reasoners
from agents.actions.locks import lock
from agents.converse import MAX_REPLY, storable
from agents.engine import chunk, rows, turn
from agents.engine.chunk import Visit
from agents.errors import Embodied, Invalid, NotFound, WrongState
from agents.facts import AgentState, Decision, Facts
from agents.minds import hints
from agents.models import Lifecycle
from domains import sql
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.payloads import Payload
from zones import events as zone_events
from zones.actions import clock
from zones.state import ZoneState

WANT_NOW = "UPDATE pac_agents SET due_tick = least(due_tick, %s) WHERE id = %s"


def force_tick(agent_id: UUID, *, by: str) -> int:
    """Make an active agent tick now, at its world's tick, whether it is due or not. Returns the tick's number.

    One that thinks with a model is asked now, and ticks when the answer is there. An input: its event stands in the
    zone's stream before what it causes. Raises: NotFound, WrongState, Embodied.
    """
    with transaction.atomic():
        zone, state = locked(agent_id)
        payload = events.TickForced(agent_id=agent_id, name=state.name, world_tick=zone.tick)
        cause = cause_of(zone, "tick_forced", payload, by)
        if reasoners.thinks(state.reasoner):
            sql.execute(WANT_NOW, [zone.tick, agent_id])
            publish(cause)
            transaction.on_commit(hints.wake)
            return state.tick_number + 1
        turn.run([Visit(zone, [state], finish=False)], before=(cause,))
    return state.tick_number


def act_as(
    agent_id: UUID,
    *,
    by: str,
    action: str = "",
    arguments: Mapping[str, Any] | None = None,
    replies: Mapping[int, str] | None = None,
) -> int:
    """Tick an active agent now with an operator's decision in place of its own. Returns the tick's number.

    `replies` are answers by the numbers of waiting messages; the others go on waiting. Without an action it does the
    least: it rests where it can, else it reflects. An input like a forced tick; log and event name who it was. The
    agent's mods, needs and the review count as ever. Raises: NotFound, WrongState, Embodied, Invalid when the
    action is not possible now.
    """
    with transaction.atomic():
        zone, state = locked(agent_id)
        facts = chunk.look([Visit(zone, [state], finish=False)])[0][0]
        decision = decision_of(facts, action, arguments or {}, replies or {}, by)
        state.decided = decision
        payload = events.Impersonated(
            agent_id=agent_id,
            name=state.name,
            world_tick=zone.tick,
            action=decision.action,
            arguments=dict(decision.arguments),
            replies=dict(decision.replies),
        )
        turn.run([Visit(zone, [state], finish=False)], before=(cause_of(zone, "impersonated", payload, by),))
    return state.tick_number


def locked(agent_id: UUID, *, embodied: bool = False) -> tuple[ZoneState, AgentState]:
    """An active agent and its zone, locked. Needs an open transaction.

    With `embodied` it may be one that a client lives as. Raises: NotFound, WrongState, Embodied.
    """
    agents, _ = lock([agent_id])
    agent = agents[0]
    if agent.lifecycle != Lifecycle.ACTIVE:
        raise WrongState(f"{agent.name} is {agent.lifecycle}; only active agents tick")
    zone = clock.lock(agent.zone_id)
    state = rows.read_one(agent_id, agent.zone_id)
    if zone is None or state is None:
        raise NotFound(f"there is no agent {agent_id} that ticks")
    if state.reasoner == reasoners.EMBODIED and not embodied:
        raise Embodied(f"a client lives as {state.name} and decides for it; its own ticks rest until it is given back")
    return zone, state


def cause_of(zone: ZoneState, verb: str, payload: Payload, by: str) -> NewEvent:
    """The event of an input that makes an agent tick; it comes first in its zone's stream."""
    return NewEvent(zone.stream, zone_events.zone_topic(zone.id, verb), payload, actor=by)


def decision_of(
    facts: Facts, action: str, arguments: Mapping[str, Any], replies: Mapping[int, str], by: str
) -> Decision:
    """What somebody decided for an agent, if it is possible now. Raises: Invalid."""
    name = action or ("rest" if facts.stats["energy"] < 80 else "reflect")
    behaviour = behaviours.get(name)
    if behaviour is None:
        known = ", ".join(b.name for b in behaviours.all_behaviours())
        raise Invalid(f"action: there is no {name!r}; there are {known}")
    if refusal := behaviour.refusal(facts):
        raise Invalid(f"action: {facts.me.name} cannot {name} now: {refusal}")
    if strange := replies.keys() - {heard.number for heard in facts.messages}:
        raise Invalid(f"replies: {facts.me.name} has no message {min(strange)} to answer now")
    for words in replies.values():
        if not words.strip() or len(words) > MAX_REPLY or storable(words) != words:
            raise Invalid(f"replies: 1 to {MAX_REPLY:,} characters that can be stored")
    return Decision(
        action=name,
        arguments=dict(arguments),
        reasoning=f"Decided by {by} in place of {facts.me.name}.",
        expected=behaviour.expects,
        replies=dict(replies),
        by=by,
    )

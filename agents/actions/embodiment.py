"""Living as an agent: a client decides for it, by the same rules as everybody, while its own ticks rest.

A client enters and holds a lease, which each of its calls prolongs. While it holds, the agent's kind of reasoner is
`EMBODIED`: the engine leaves it out of its zone's turns, and no model is asked for it; it can be met and spoken to as
ever. What the client decides is applied under the zone's lock by the engine, as an answer of a model is: an input whose
event stands before what it causes. One action a world tick at most. A client that falls silent loses the agent, which
then decides for itself again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import events, reasoners
from agents.actions.locks import lock, patiently
from agents.actions.moves import may_act_in
from agents.actions.ticks import cause_of, decision_of, locked
from agents.engine import chunk, rows, turn
from agents.engine.chunk import Visit
from agents.errors import Embodied, Invalid, LeaseLost, NotFound, TooSoon, WrongState
from agents.facts import Facts
from agents.minds import hints
from agents.models import Agent, Embodiment, Lifecycle, TickLog
from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.payloads import Payload
from zones import events as zone_events
from zones.actions import clock, places
from zones.errors import AccessDenied

USUAL_LEASE_S, LONGEST_LEASE_S = 300.0, 3600.0
MOST_SWEPT = 50
"""Agents given back by one sweep; the next one is a second later."""

# The database's clock decides, as several processes serve one client.
NOW = "SELECT clock_timestamp()"
PROLONG = """
UPDATE agent_embodiments SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(secs => lease_s))
WHERE agent_id = %s AND lease = %s AND expires_at > clock_timestamp() RETURNING expires_at
"""
FORGET_THOUGHT = "DELETE FROM mind_thoughts WHERE agent_id = %s"
# Also whoever carries the mark and is held by nobody: it came with a file of a world that was saved meanwhile.
OVER = """
SELECT agent_id FROM agent_embodiments WHERE expires_at <= clock_timestamp()
UNION SELECT a.id FROM pac_agents a WHERE a.reasoner <> 'rules' AND a.reasoner = %s
    AND NOT EXISTS (SELECT FROM agent_embodiments e WHERE e.agent_id = a.id)
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Entered:
    """A client's hold on an agent. `expires_at` is aware UTC; each call prolongs it."""

    agent_id: UUID
    name: str
    lease: UUID
    expires_at: datetime


def enter(
    agent_id: UUID, *, user: Any, by: str, token_agent: UUID | None = None, lease_s: float = USUAL_LEASE_S
) -> Entered:
    """Live as an active agent from now on. Who may act for it may do so (`moves.may_act_for`).

    Raises: NotFound, WrongState, ZoneBusy, Invalid, Embodied (somebody else does), zones.errors.AccessDenied.
    """
    if not 1 <= lease_s <= LONGEST_LEASE_S:
        raise Invalid(f"lease_s: 1 to {LONGEST_LEASE_S:,.0f} seconds")
    with patiently():
        agents, zones = lock([agent_id])
        agent, zone = agents[0], zones[agents[0].zone_id]
        zone.world = agent.world
        if not may_act_in(zone, user, agent_id, token_agent):
            raise AccessDenied(f"you may not act for {agent.name}")
        if agent.lifecycle != Lifecycle.ACTIVE:
            raise WrongState(f"{agent.name} is {agent.lifecycle}; only active agents can be embodied")
        now = _now()
        kind = _resting_kind(agent, now)
        held = Embodiment(
            agent=agent, lease=new_id(), holder_id=user.pk, reasoner=kind, lease_s=lease_s, entered_at=now,
            expires_at=sql.fetch_rows("SELECT %s::timestamptz + make_interval(secs => %s)", [now, lease_s])[0][0],
        )  # fmt: skip
        Embodiment.objects.filter(pk=agent_id).delete()
        held.save(force_insert=True)
        Agent.objects.filter(pk=agent_id).update(reasoner=reasoners.EMBODIED)
        sql.execute(FORGET_THOUGHT, [agent_id])  # what its model answers now comes too late
        _tell(agent, "agent_embodied", events.AgentEmbodied(
            agent_id=agent_id, name=agent.name, world_tick=agent.world.tick, until=held.expires_at), by)  # fmt: skip
    return Entered(agent_id, agent.name, held.lease, held.expires_at)


def _resting_kind(agent: Agent, now: datetime) -> str:
    """What decides for the agent when nobody lives as it. Raises: Embodied."""
    held = Embodiment.objects.filter(pk=agent.pk).first()
    if held is None or agent.reasoner != reasoners.EMBODIED:
        return reasoners.RULES if agent.reasoner == reasoners.EMBODIED else agent.reasoner
    if held.expires_at > now:
        left_s = (held.expires_at - now).total_seconds()
        raise Embodied(
            f"somebody's client lives as {agent.name}; it is free when that client leaves or has been silent for "
            f"{left_s:,.0f} more seconds"
        )
    return held.reasoner


def perceive(agent_id: UUID, lease: UUID) -> tuple[Facts, datetime]:
    """What the agent perceives now, and until when the lease holds. No lock is taken. Raises: LeaseLost, WrongState."""
    expires_at = prolong(agent_id, lease)
    where = Agent.objects.filter(pk=agent_id).values_list("zone_id", "lifecycle", "name").get()
    present = rows.read_many([(agent_id, where[0])]) if where[1] == Lifecycle.ACTIVE else {}
    found = [Visit(zone, present[zone.id], finish=False) for zone in clock.look([where[0]]) if zone.id in present]
    if not found:
        raise WrongState(f"{where[2]} is {where[1]} and perceives nothing")
    return chunk.look(found, only=True)[0][0], expires_at


def act(
    agent_id: UUID,
    lease: UUID,
    *,
    by: str,
    action: str,
    arguments: Mapping[str, Any] | None = None,
    replies: Mapping[int, str] | None = None,
    reasoning: str = "",
    remember: str = "",
) -> TickLog:
    """Let the agent do something, as the tick that it is due for. Returns the tick's log.

    Nothing is done when anything is refused. Raises: LeaseLost, WrongState, ZoneBusy, TooSoon, NotFound, Invalid when
    it is not possible now.
    """
    with patiently():
        zone, state = locked(agent_id, embodied=True)
        prolong(agent_id, lease)
        if state.reasoner != reasoners.EMBODIED:
            raise LeaseLost(f"{state.name} decides for itself again; enter it anew")
        if state.tick_number and state.last_tick >= zone.tick:
            raise TooSoon(f"{state.name} has acted at world tick {zone.tick}; it can again at the next one")
        facts = chunk.look([Visit(zone, [state], finish=False)])[0][0]
        decision = decision_of(facts, action, arguments or {}, replies or {}, by)
        if action == "use_tool":
            _check_tool(facts, decision.arguments)
        state.decided = replace(decision, reasoning=reasoning or decision.reasoning, remember=remember)
        payload = events.Impersonated(
            agent_id=agent_id, name=state.name, world_tick=zone.tick, action=action,
            arguments=dict(decision.arguments), replies=dict(decision.replies),
        )  # fmt: skip
        turn.run([Visit(zone, [state], finish=False)], before=(cause_of(zone, "impersonated", payload, by),))
        return TickLog.objects.filter(agent_id=agent_id, tick_number=state.tick_number).latest("inserted_at")


def _check_tool(facts: Facts, arguments: Mapping[str, Any]) -> None:
    """Raises: Invalid."""
    if arguments.get("tool") not in facts.tools:
        known = ", ".join(sorted(facts.tools)) or "none"
        raise Invalid(f"arguments.tool: {facts.me.name} has no such tool; it has {known}")
    if not isinstance(arguments.get("arguments", {}), dict):
        raise Invalid("arguments.arguments: an object, as the tool says")


def leave(agent_id: UUID, lease: UUID, *, by: str) -> None:
    """Give the agent back: from the next world tick on it decides for itself. Raises: NotFound, LeaseLost, ZoneBusy."""
    with patiently():
        agents, zones = lock([agent_id])
        held = Embodiment.objects.filter(pk=agent_id, lease=lease).first()
        if held is None:
            raise LeaseLost(f"you do not live as {agents[0].name} (any more)")
        _give_back(agents[0], zones[agents[0].zone_id], held, "left", by)


def give_back(agent_id: UUID, *, by: str) -> bool:
    """Take an agent from the client that lives as it, as an operator may. Returns whether any did. Raises: NotFound."""
    with transaction.atomic():
        agents, zones = lock([agent_id])
        held = Embodiment.objects.filter(pk=agent_id).first()
        if held is not None:
            _give_back(agents[0], zones[agents[0].zone_id], held, "ended", by)
    return held is not None


def sweep() -> int:
    """Give back agents whose clients have fallen silent. Returns how many. One query when there are none."""
    freed = 0
    for (agent_id,) in sql.fetch_rows(OVER, [reasoners.EMBODIED, MOST_SWEPT]):
        with transaction.atomic():
            try:
                agents, zones = lock([agent_id])
            except NotFound:  # deleted meanwhile
                continue
            held = Embodiment.objects.filter(pk=agent_id).first()
            if held is not None and held.expires_at > _now():
                continue  # it was heard of, or somebody else has entered
            _give_back(agents[0], zones[agents[0].zone_id], held, "expired", "")
            freed += 1
    return freed


def _give_back(agent: Agent, zone: Any, held: Embodiment | None, reason: str, by: str) -> None:
    """Let a locked agent decide for itself, due at the next world tick."""
    Embodiment.objects.filter(pk=agent.pk).delete()
    if agent.reasoner != reasoners.EMBODIED:
        return  # somebody gave it another kind, by a file of its world
    kind, due = held.reasoner if held else reasoners.RULES, agent.world.tick + 1
    Agent.objects.filter(pk=agent.pk).update(reasoner=kind, due_tick=due)
    if agent.lifecycle == Lifecycle.ACTIVE and not reasoners.apart(kind):
        places.make_due(zone, tick=due)
    transaction.on_commit(hints.wake)
    payload = events.AgentFreed(agent_id=agent.pk, name=agent.name, world_tick=agent.world.tick, reason=reason)
    _tell(agent, "agent_freed", payload, by)


def prolong(agent_id: UUID, lease: UUID) -> datetime:
    """Say that the client is still there. Returns until when the lease holds now. Raises: LeaseLost."""
    found = sql.fetch_rows(PROLONG, [agent_id, lease])
    if not found:
        raise LeaseLost("you do not live as this agent (any more): enter it again")
    return found[0][0]


def _now() -> datetime:
    return sql.fetch_rows(NOW)[0][0]


def _tell(agent: Agent, verb: str, payload: Payload, by: str) -> None:
    stream, topic = zone_events.zone_stream(agent.zone_id), zone_events.zone_topic(agent.zone_id, verb)
    publish(NewEvent(stream, topic, payload, actor=by))

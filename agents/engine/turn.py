"""One zone's turn: lock it, tick a chunk of its agents and its environment, publish, write it back, commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents import events, metrics
from agents.engine import rows
from agents.engine.chunk import tick_agents
from agents.engine.faults import AWAY
from agents.facts import AgentState
from domains.thunderflow.actions import NewEvent, publish, publish_many
from zones import environment
from zones.actions import clock
from zones.events import EnvironmentFailed, EnvironmentTick, zone_topic
from zones.state import ZoneState

logger = logging.getLogger(__name__)


class ChunkFailed(Exception):
    """A chunk could not be done and nothing of it was. `__cause__` tells why."""

    def __init__(self, zone: ZoneState, agents: Sequence[AgentState]) -> None:
        super().__init__(f"{len(agents)} agents of {zone.name} at world tick {zone.tick}")
        self.zone_id, self.tick, self.agent_ids = zone.id, zone.tick, [agent.id for agent in agents]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one transaction did."""

    zone_id: UUID
    ticks: int
    ms: float


def take(world_id: UUID | None = None) -> Turn | None:
    """Tick one due zone, of any world or of one; None when there is none that is free.

    A zone with more agents due than fit into one chunk stays due, and anybody may take its next chunk.
    Raises: ChunkFailed, and what is in `AWAY`.
    """
    started = time.perf_counter()
    limit = settings.CHUNK_SIZE
    with transaction.atomic():
        zone = clock.claim(world_id)
        if zone is None:
            return None
        agents = rows.read_due(zone.id, zone.tick, limit)
        try:
            run(zone, agents, finish=len(agents) < limit)
        except AWAY:
            raise
        except Exception as error:
            raise ChunkFailed(zone, agents) from error
    seconds = time.perf_counter() - started
    metrics.chunk_seconds.observe(seconds)
    return Turn(zone.id, len(agents), seconds * 1000)


def redo(failed: ChunkFailed) -> Turn:
    """Tick the agents of a failed chunk one by one; those that fail alone are put off by their interval.

    All in one transaction, so that it is the same whoever does it, and done once however many meet the failure.
    Where there were no agents, the zone's environment failed, and it is what is put off.
    """
    started = time.perf_counter()
    with transaction.atomic():
        ticks = sum(_alone(failed, agent_id) for agent_id in failed.agent_ids)
        if not failed.agent_ids:
            _put_off_environment(failed)
    return Turn(failed.zone_id, ticks, (time.perf_counter() - started) * 1000)


def _alone(failed: ChunkFailed, agent_id: UUID) -> bool:
    """Tick one agent if it is still due at that tick. Returns whether it ticked."""
    zone = clock.lock(failed.zone_id)
    agent = rows.read_one(agent_id, failed.zone_id)
    if zone is None or zone.tick != failed.tick or agent is None or agent.due_tick > zone.tick:
        return False
    name, due_tick = agent.name, zone.tick + agent.tick_interval
    try:
        with transaction.atomic():
            run(zone, [agent], finish=False)
    except AWAY:
        raise
    except Exception as error:
        metrics.failed.labels("turn").inc()
        logger.exception("the tick of agent %s failed and is put off", name)
        rows.put_off(agent_id, due_tick)
        reason = f"{type(error).__name__}: {error}"[:500]
        payload = events.TickFailed(agent_id=agent_id, name=name, world_tick=failed.tick, error=reason)
        publish(NewEvent(zone.stream, zone_topic(zone.id, "tick_failed"), payload))
        return False
    return True


def _put_off_environment(failed: ChunkFailed) -> None:
    zone = clock.lock(failed.zone_id)
    if zone is None or zone.tick != failed.tick or zone.environment_due > zone.tick:
        return
    logger.error("the environment of %s failed and is put off: %r", zone.name, failed.__cause__)
    zone.environment_due = zone.tick + zone.environment_interval
    clock.save(zone, due_tick=_next_due(zone, []))
    payload = EnvironmentFailed(tick=zone.tick, error=f"{failed.__cause__!r}"[:500])
    publish(NewEvent(zone.stream, zone_topic(zone.id, "environment_failed"), payload))


def run(zone: ZoneState, agents: list[AgentState], *, finish: bool, before: tuple[NewEvent, ...] = ()) -> None:
    """Tick these agents of a locked zone and write everything. `finish`: nobody else is due at this tick.

    `before` are events that tell why this happens and come first in the stream.
    """
    now = datetime.now(UTC)
    told = list(before)
    if agents:
        told += tick_agents(zone, agents, now)
    if finish and zone.environment_due <= zone.tick:
        told.append(_environment(zone, now))
    told += clock.resource_event(zone, now)
    clock.save(zone, due_tick=_next_due(zone, agents) if finish else zone.tick)
    publish_many(told)


def _next_due(zone: ZoneState, agents: list[AgentState]) -> int:
    everybody = agents and len(agents) == zone.agent_count
    due = min((a.due_tick for a in agents), default=None) if everybody else rows.next_due(zone.id)
    return zone.environment_due if due is None else min(due, zone.environment_due)


def _environment(zone: ZoneState, now: datetime) -> NewEvent:
    happening = environment.step(zone)
    payload = EnvironmentTick(
        properties=zone.properties,
        resources=zone.resources,
        entropy=zone.entropy,
        thermal=zone.thermal,
        happening=happening,
        narrative=zone.fresh[-1].text if happening else None,
        tick=zone.tick,
        timestamp=now,
    )
    return NewEvent(zone.stream, zone_topic(zone.id, "environment_tick"), payload)

"""One zone's turn: lock it, tick a chunk of its agents and its environment, publish, write it back, commit."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents import metrics
from agents.engine import rows
from agents.engine.chunk import tick_agents
from agents.facts import AgentState
from domains.thunderflow.actions import NewEvent, publish_many
from zones import environment
from zones.actions import clock
from zones.events import EnvironmentTick, zone_topic
from zones.state import ZoneState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one transaction did."""

    zone_id: UUID
    ticks: int
    ms: float


def take(world_id: UUID | None = None, *, limit: int | None = None) -> Turn | None:
    """Tick one due zone, of any world or of one; None when there is none that is free.

    A zone with more agents due than fit into one chunk stays due, and anybody may take its next chunk.
    """
    started = time.perf_counter()
    limit = limit or settings.CHUNK_SIZE
    with transaction.atomic():
        zone = clock.claim(world_id)
        if zone is None:
            return None
        agents = rows.read_due(zone.id, zone.tick, limit)
        run(zone, agents, finish=len(agents) < limit)
    seconds = time.perf_counter() - started
    metrics.chunk_seconds.observe(seconds)
    return Turn(zone.id, len(agents), seconds * 1000)


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
    everybody = len(agents) == zone.agent_count
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

"""One turn: lock a few zones, tick their agents and environments, publish, write them back, commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents import events, metrics, reasoners
from agents.engine import rows
from agents.engine.chunk import Visit, tick_agents
from agents.engine.faults import AWAY
from domains.thunderflow.actions import NewEvent, publish, publish_many
from zones import environment
from zones.actions import clock
from zones.events import EnvironmentFailed, EnvironmentTick, zone_topic
from zones.state import ZoneState

logger = logging.getLogger(__name__)


class TurnFailed(Exception):
    """A turn could not be done and nothing of it was. `__cause__` tells why."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        super().__init__("; ".join(f"{len(v.agents)} agents of {v.zone.name} at tick {v.zone.tick}" for v in visits))
        self.undone = [Undone(v.zone.id, v.zone.tick, [agent.id for agent in v.agents]) for v in visits]


@dataclass(frozen=True, slots=True)
class Undone:
    """What one visit of a failed turn should have done."""

    zone_id: UUID
    tick: int
    agent_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one transaction did."""

    zones: int
    ticks: int
    ms: float


def take(world_id: UUID | None = None, *, zones: int = 1) -> Turn | None:
    """Tick what is due in up to `zones` zones, of any world or of one; None when there is none that is free.

    A zone with more agents due than fit into one chunk stays due, and anybody may take its next chunk.
    Raises: TurnFailed, and what is in `AWAY`.
    """
    started = time.perf_counter()
    with transaction.atomic():
        visits = _visits(clock.claim(world_id, most=zones))
        if not visits:
            return None
        try:
            run(visits)
        except AWAY:
            raise
        except Exception as error:
            raise TurnFailed(visits) from error
    seconds = time.perf_counter() - started
    metrics.chunk_seconds.observe(seconds)
    return Turn(len(visits), sum(len(visit.agents) for visit in visits), seconds * 1000)


def room() -> int:
    """Most agents that one turn ticks in several zones: so many that two zones of a hundred nearly always fit."""
    return settings.CHUNK_SIZE * 5 // 4


def _visits(zones: Sequence[ZoneState]) -> list[Visit]:
    """Of these locked zones, those whose agents fit into one turn together; the first one at any rate.

    A zone with more agents than a chunk holds is cut, and goes alone: where it is cut must not depend on company.
    """
    if not zones:
        return []
    chunk = settings.CHUNK_SIZE
    due = rows.read_due([(zone.id, zone.tick) for zone in zones], room() + 1)
    first = due.get(zones[0].id, rows.NONE_PRESENT).due
    if len(first) > chunk:
        return [Visit(zones[0], first[:chunk], finish=False)]
    read_whole = zones
    if sum(len(present.due) + len(present.thinking) for present in due.values()) > room():
        last = [zone.id for zone in zones].index(list(due)[-1])
        read_whole = zones[: max(1, last)]  # of the first, those who are due were all read
    present = [(zone, due.get(zone.id, rows.NONE_PRESENT)) for zone in read_whole]
    return [Visit(zone, p.due, finish=True, others=p.thinking) for zone, p in present if len(p.due) <= chunk]


def redo(failed: TurnFailed) -> Turn:
    """Do a failed turn in smaller parts: zone by zone, and agent by agent where a zone fails by itself.

    All in one transaction, so that it is the same whoever does it, and done once however many meet the failure.
    """
    started = time.perf_counter()
    with transaction.atomic():
        undone = sorted(failed.undone, key=lambda part: part.zone_id)  # as everybody locks zones
        ticks = sum(_again(part) if len(undone) > 1 else _one_by_one(part) for part in undone)
    return Turn(len(undone), ticks, (time.perf_counter() - started) * 1000)


def _again(part: Undone) -> int:
    """Try one zone of several by itself. Returns how many ticked."""
    zone = clock.lock(part.zone_id)
    if zone is None or zone.tick != part.tick:
        return 0
    visits = _visits([zone])
    try:
        with transaction.atomic():
            run(visits)
    except AWAY:
        raise
    except Exception as error:
        logger.warning("%s is redone one by one, for %r", zone.name, error)
        return _one_by_one(part)
    return sum(len(visit.agents) for visit in visits)


def _one_by_one(part: Undone) -> int:
    """Tick a zone's agents each alone; those that fail are put off by their interval. Returns how many ticked.

    Where there were none, the zone's environment failed, and it is what is put off.
    """
    if not part.agent_ids:
        _put_off_environment(part)
    return sum(_alone(part, agent_id) for agent_id in part.agent_ids)


def _alone(part: Undone, agent_id: UUID) -> bool:
    """Tick one agent if it is still due at that tick. Returns whether it ticked."""
    zone = clock.lock(part.zone_id)
    agent = rows.read_one(agent_id, part.zone_id)
    if zone is None or zone.tick != part.tick or agent is None or agent.due_tick > zone.tick:
        return False
    name, due_tick = agent.name, zone.tick + agent.tick_interval
    try:
        with transaction.atomic():
            run([Visit(zone, [agent], finish=False)])
    except AWAY:
        raise
    except Exception as error:
        metrics.failed.labels("turn").inc()
        logger.exception("the tick of agent %s failed and is put off", name)
        rows.put_off(agent_id, due_tick)
        reason = f"{type(error).__name__}: {error}"[:500]
        payload = events.TickFailed(agent_id=agent_id, name=name, world_tick=part.tick, error=reason)
        publish(NewEvent(zone.stream, zone_topic(zone.id, "tick_failed"), payload))
        return False
    return True


def _put_off_environment(part: Undone) -> None:
    zone = clock.lock(part.zone_id)
    if zone is None or zone.tick != part.tick or zone.environment_due > zone.tick:
        return
    try:
        with transaction.atomic():
            run([Visit(zone, [], finish=True)])
            return
    except AWAY:
        raise
    except Exception as error:
        logger.exception("the environment of %s failed and is put off", zone.name)
        reason = repr(error)[:500]
    zone = clock.lock(part.zone_id) or zone  # as it was: the failed attempt may have changed it in memory
    zone.environment_due = zone.tick + zone.environment_interval
    clock.save([(zone, min([zone.environment_due, *rows.next_due([zone.id]).values()]))])
    payload = EnvironmentFailed(tick=zone.tick, error=reason)
    publish(NewEvent(zone.stream, zone_topic(zone.id, "environment_failed"), payload))


def run(visits: Sequence[Visit], *, before: Sequence[NewEvent] = ()) -> None:
    """Tick the agents and environments of locked zones and write everything, each kind of thing by one statement.

    `before` are events that tell why this happens and come first in their stream.
    """
    now = datetime.now(UTC)
    told = [*before, *tick_agents(visits, now)]
    for visit in visits:
        zone = visit.zone
        if visit.finish and zone.environment_due <= zone.tick:
            told.append(_environment(zone, now))
        told += clock.resource_event(zone, now)
    clock.save(_next_due(visits))
    publish_many(told)


def _next_due(visits: Sequence[Visit]) -> list[tuple[ZoneState, int]]:
    """Each zone with the first world tick at which something is due in it: now, while it is not finished."""
    partly = [v.zone.id for v in visits if v.finish and not v.everybody]
    others = rows.next_due(partly) if partly else {}
    found = []
    for visit in visits:
        zone = visit.zone
        ticked = [agent.due_tick for agent in visit.agents if not reasoners.apart(agent.reasoner)]
        if not visit.finish:
            found.append((zone, min([zone.due_tick, *ticked])))
            continue
        due = ticked if visit.everybody else [others.get(zone.id, clock.FOR_EVER)]
        found.append((zone, min([zone.environment_due, *due])))
    return found


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

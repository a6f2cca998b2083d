"""A worker's stint: take zones until nothing is due anywhere, moving clocks on as they become free.

Work is rows, so any number of workers may do this at once, and one that is killed leaves nothing behind but a
transaction that never was. A chunk that fails is redone agent by agent, and the tick that makes it fail is put off,
so that one broken agent cannot stop a world.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from agents import events, metrics
from agents.engine import barrier, rows, turn
from domains.thunderflow.actions import NewEvent, publish
from zones.actions import clock
from zones.events import zone_topic

logger = logging.getLogger(__name__)

IDLE_S = 0.002
"""Pause while other workers finish a tick that this one cannot help with."""


@dataclass(slots=True)
class Stint:
    """What one worker did."""

    ticks: int = 0
    turns: int = 0
    advances: int = 0
    exhausted: bool = False
    """True when it ended for want of time and not of work."""


def run(*, seconds: float, world_id: UUID | None = None, patience_s: float = 0.05) -> Stint:
    """Work for at most about `seconds`; end sooner when nothing has been due for `patience_s`."""
    stint = Stint()
    end = time.monotonic() + seconds
    idle_since: float | None = None
    while time.monotonic() < end:
        if _step(stint, world_id):
            idle_since = None
            continue
        now = time.monotonic()
        idle_since = idle_since or now
        if now - idle_since > patience_s or not clock.anything_to_do(world_id):
            return stint
        time.sleep(IDLE_S)
    stint.exhausted = True
    return stint


def _step(stint: Stint, world_id: UUID | None) -> bool:
    """One zone's turn, or one clock moved. Returns whether there was anything to do."""
    try:
        done = turn.take(world_id)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the next wake-up tries again
    except Exception:
        logger.exception("a zone's turn failed; its agents are ticked one by one")
        done = _one_by_one(world_id)
    if done is not None:
        stint.ticks += done.ticks
        stint.turns += 1
        return True
    if barrier.advance(world_id):
        stint.advances += 1
        return True
    return False


def _one_by_one(world_id: UUID | None) -> turn.Turn | None:
    """The next agent alone; one that fails alone misses this tick."""
    try:
        return turn.take(world_id, limit=1)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        metrics.failed.labels("turn").inc()
        return _put_off_next(world_id, f"{type(error).__name__}: {error}")


def _put_off_next(world_id: UUID | None, reason: str) -> turn.Turn | None:
    """Let the agent whose tick fails miss it: due again after its interval, with the failure in the log."""
    with transaction.atomic():
        zone = clock.claim(world_id)
        if zone is None:
            return None
        agents = rows.read_due(zone.id, zone.tick, 1)
        if not agents:
            raise RuntimeError(f"zone {zone.name} fails with no agent due: {reason}")
        agent = agents[0]
        logger.error("the tick of agent %s failed and is put off: %s", agent.name, reason)
        rows.put_off(agent.id, zone.tick + agent.tick_interval)
        payload = events.TickFailed(agent_id=agent.id, name=agent.name, world_tick=zone.tick, error=reason[:500])
        publish(NewEvent(zone.stream, zone_topic(zone.id, "tick_failed"), payload))
    return turn.Turn(zone.id, 0, 0.0)

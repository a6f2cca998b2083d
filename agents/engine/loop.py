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

from agents import partitions
from agents.engine import barrier, turn
from domains.ids import new_id
from domains.origin import marking
from domains.thunderflow.context import acting
from zones.actions import clock

logger = logging.getLogger(__name__)

IDLE_S = 0.002
"""Pause while other workers finish a tick that this one cannot help with."""


MOST_ZONES = 16
"""That one turn takes: others want to lock some too."""


@dataclass(slots=True)
class Stint:
    """What one worker did."""

    ticks: int = 0
    turns: int = 0
    advances: int = 0
    exhausted: bool = False
    """True when it ended for want of time and not of work."""
    correlation_id: UUID | None = None
    """Of what is done now; None: the caller's."""
    worked: bool = False
    """Whether zones had their turn since the last clock moved."""
    zones_at_once: int = 1
    """How many zones the next turn takes: as many as fill it, going by the last one."""

    def add(self, done: turn.Turn) -> None:
        """Count a turn."""
        self.ticks += done.ticks
        self.turns += 1
        self.worked = True
        wanted = turn.room() * done.zones // max(1, done.ticks)
        self.zones_at_once = max(1, min(MOST_ZONES, 2 * self.zones_at_once, wanted))


def run(*, seconds: float, world_id: UUID | None = None, patience_s: float = 0.05) -> Stint:
    """Work for at most about `seconds`; end sooner when nothing has been due for `patience_s`.

    What was called for is the next world tick: with the end of each that was worked at begins another correlation.
    """
    partitions.ensure_now_and_then()
    stint = Stint()
    end = time.monotonic() + seconds
    idle_since: float | None = None
    while time.monotonic() < end:
        # Whoever asked for it: ticks are no changes of theirs, and prepared statements have no mark.
        with acting(correlation_id=stint.correlation_id), marking(""):
            done = _step(stint, world_id)
        if done:
            idle_since = None
            continue
        now = time.monotonic()
        idle_since = idle_since or now
        if not clock.anything_to_do(world_id):
            clock.note_done()
            return stint
        if now - idle_since > patience_s:
            return stint
        time.sleep(IDLE_S)
    stint.exhausted = True
    return stint


def _step(stint: Stint, world_id: UUID | None) -> bool:
    """One zone's turn, or one clock moved. Returns whether there was anything to do."""
    try:
        done = turn.take(world_id, zones=stint.zones_at_once)
    except turn.TurnFailed as failed:
        logger.warning("%s: redone in parts, for %r", failed, failed.__cause__)
        done = turn.redo(failed)
    if done is not None:
        stint.add(done)
        return True
    if barrier.advance(world_id):
        stint.advances += 1
        if stint.worked:
            stint.correlation_id, stint.worked = new_id(), False
        return True
    return False

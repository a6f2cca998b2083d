"""The heartbeat itself: count, wake what waits, hand each active domain its tick."""

from __future__ import annotations

import logging
import time

from django.conf import settings

from domains import queue, sql
from domains.lifecycle import Tick
from domains.thunderblock import actions as thunderblock
from domains.thunderblock import queries as registry
from domains.thunderblock import tasks
from domains.thunderflow import hints
from domains.thundergate import tasks as gate
from domains.thunderlink.models import HeartbeatTick

logger = logging.getLogger(__name__)

HEARTBEAT = "heartbeat"
"""What heartbeats are called among the streams that hints name."""
MOST_WAITING = 200
"""Messages in the queue at which no more are added: the workers are stopped, and a minute of ticks is no use later."""

# Compare and set on the database's clock: a second beat within half an interval changes nothing.
COUNT = """
INSERT INTO heart AS h (id, tick_number, beat_at, started_at)
VALUES (1, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO UPDATE SET
    tick_number = h.tick_number + 1,
    beat_at = excluded.beat_at,
    started_at = CASE WHEN h.beat_at > excluded.beat_at - make_interval(secs => %(pause)s) THEN h.started_at
                      ELSE excluded.beat_at END
WHERE h.beat_at IS NULL OR h.beat_at <= excluded.beat_at - make_interval(secs => %(interval)s / 2.0)
RETURNING tick_number, beat_at
"""

REMEMBER = """
INSERT INTO heartbeat_ticks (slot, number, at, latency_ms, active_domains) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (slot) DO UPDATE SET number = excluded.number, at = excluded.at,
    latency_ms = excluded.latency_ms, active_domains = excluded.active_domains
"""


def beat(*, interval_s: float) -> Tick | None:
    """One heartbeat. Returns None when another beat has counted this interval already."""
    started = time.perf_counter()
    counted = sql.fetch_rows(COUNT, {"interval": interval_s, "pause": max(10.0, 3 * interval_s)})
    if not counted:
        return None
    tick = Tick(*counted[0])
    if tick.number % 60 == 1:
        thunderblock.sync(now=tick.at)
    thunderblock.restart_due(tick)
    active = registry.active_domains()
    if queue.waiting(settings.CELERY_TASK_DEFAULT_QUEUE) < MOST_WAITING:
        _send(tick, active, expires=max(1.0, interval_s))
    else:
        logger.warning("workers do not take their messages; heartbeat %s is not handed out", tick.number)
    if tick.number % gate.EVERY == 0 and not queue.waiting("upkeep"):
        gate.evaluate_alerts.apply_async(expires=gate.EVERY)
    latency_ms = (time.perf_counter() - started) * 1000
    sql.execute(REMEMBER, [tick.number % HeartbeatTick.RING, tick.number, tick.at, latency_ms, len(active)])
    hints.tell({HEARTBEAT: tick.number})
    return tick


def _send(tick: Tick, active: list[str], *, expires: float) -> None:
    message = {"number": tick.number, "at": tick.at.isoformat()}
    for name in active:
        tasks.on_tick.apply_async((name,), message, expires=expires)
    for name in registry.waiting():
        tasks.activate.apply_async((name,), message, expires=expires)

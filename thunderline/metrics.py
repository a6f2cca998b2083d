"""What `/metrics` says: the counts of every process, and what is so at the moment of asking."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import DatabaseError
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from domains import sql
from domains.thunderblock import queries as registry
from domains.thunderflow.subscribers import queries as subscribers
from domains.thunderlink import heartbeat
from memory import queries as memory
from memory.upkeep import state as upkeep
from thunderline import multiprocess
from zones import queries as zones

logger = logging.getLogger(__name__)

WORLDS_TOLD = 50
"""Worlds whose memories have gauges of their own: those with most."""

DISK_LEVELS = ("ok", "low", "critical")

page_views = Counter("thunderline_page_views_total", "Pages shown, not counting how they refresh themselves", ["page"])


def folder() -> Path:
    """Where the processes of this installation count."""
    return Path(os.environ[multiprocess.VARIABLE])


def clear() -> None:
    """Forget what earlier runs counted. Call it before any process of a run starts."""
    multiprocess.clear(folder())


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    collected = CollectorRegistry()
    collected.register(Moment())
    with multiprocess.locked(folder()):
        multiprocess.add_up(folder())
        MultiProcessCollector(collected, path=str(folder()))
        return generate_latest(collected)


def counts() -> Iterator[Metric]:
    """What all processes counted."""
    with multiprocess.locked(folder()):
        multiprocess.add_up(folder())
        yield from MultiProcessCollector(None, path=str(folder())).collect()


class Moment(Collector):
    """Gauges that are read when somebody asks. Eight queries; without a database only that it is away."""

    def collect(self) -> Iterator[Metric]:
        """One sample each, and one a world."""
        try:
            gauges = list(self._gauges())
        except DatabaseError as error:
            logger.warning("metrics without the database: %s", error)
            gauges = []
        yield GaugeMetricFamily("thunderline_database_up", "Whether the database answers", value=bool(gauges))
        yield from gauges

    def _gauges(self) -> Iterator[Metric]:
        heart = heartbeat.stats()
        yield GaugeMetricFamily("thunderline_heartbeat_number", "The latest heartbeat", value=heart.tick_count)
        if heart.age_s is not None:
            yield GaugeMetricFamily(
                "thunderline_heartbeat_age_seconds", "Time since the latest heartbeat", value=heart.age_s
            )
        yield from _behind(heart)
        active = registry.active_count()
        yield GaugeMetricFamily("thunderline_active_domains", "Domains that are active", value=active)
        tick = GaugeMetricFamily("thunderline_world_tick", "Where a world's clock is", labels=["world"])
        lag = GaugeMetricFamily(
            "thunderline_world_lag_ticks", "How far a world is behind where it may be", labels=["world"]
        )
        for name, at, target in zones.clocks():
            tick.add_metric([name], at)
            lag.add_metric([name], max(0, target - at))
        yield tick
        yield lag
        if room := registry.disk():
            yield GaugeMetricFamily(
                "thunderline_disk_free_bytes", "Room on the database's disk, as last looked at", value=room.free_bytes
            )
            level = DISK_LEVELS.index(room.level)
            yield GaugeMetricFamily("thunderline_disk_level", "0 enough room, 1 low, 2 critical", value=level)
        yield GaugeMetricFamily("thunderline_database_bytes", "The whole database on disk", value=_database_bytes())
        sizes = GaugeMetricFamily("thunderline_store_bytes", "What is kept, with indexes", labels=["store"])
        for store, size in registry.store_sizes().items():
            sizes.add_metric([store], size)
        yield sizes
        yield from _remembered()
        yield from _followed()
        yield from _looked_after()


def _behind(heart: heartbeat.Stats) -> Iterator[Metric]:
    """How evenly the heart beats, and how far workers are behind it. Two queries."""
    beats = heartbeat.recent()
    gaps = [(later.at - earlier.at).total_seconds() for earlier, later in itertools.pairwise(beats)]
    yield GaugeMetricFamily(
        "thunderline_heartbeat_gap_seconds", "Longest silence between the latest 60 heartbeats",
        value=max(gaps, default=0.0),
    )  # fmt: skip
    if (latest := registry.latest_acknowledged()) is not None:
        yield GaugeMetricFamily(
            "thunderline_workers_behind", "Heartbeats that no worker has acknowledged yet",
            value=max(0, heart.tick_count - latest),
        )  # fmt: skip


def _database_bytes() -> int:
    return int(sql.fetch_rows("SELECT pg_database_size(current_database())")[0][0])


def _looked_after() -> Iterator[Metric]:
    """What the vault's upkeep has before it. One query."""
    stands = upkeep.standing()
    waiting = GaugeMetricFamily(
        "thunderline_memory_waiting", "Memories that upkeep has yet to do something with, to 100,000", labels=["for"]
    )
    for what, count in (("link", stands.to_link), ("compare", stands.to_compare), ("embed", stands.to_embed)):
        waiting.add_metric([what], count)
    yield waiting
    yield GaugeMetricFamily("thunderline_memory_upkeep_due", "Agents whose memories are due", value=stands.due)
    yield GaugeMetricFamily(
        "thunderline_memory_upkeep_lag_seconds", "For how long the first of them is due", value=stands.lag_s
    )
    yield GaugeMetricFamily(
        "thunderline_memory_over_budget", "Memories above the budgets that others depend on", value=stands.over_budget
    )


def _remembered() -> Iterator[Metric]:
    """How well memories serve, a sample for each of the worlds that have most. One query, of what upkeep keeps."""
    rates = {
        "junk_rate": "Share of memories never recalled, unimportant and of little feeling",
        "duplicate_rate": "Share of what was stored that said nothing new",
        "hit_rate": "Share of the agents' recalls that brought something of use",
    }
    gauges = {
        name: GaugeMetricFamily(f"thunderline_memory_{name}", told, labels=["world"]) for name, told in rates.items()
    }
    kept = GaugeMetricFamily("thunderline_memory_memories", "Memories, as last counted", labels=["world"])
    age = GaugeMetricFamily("thunderline_memory_health_age_seconds", "Age of the oldest of them", labels=["world"])
    for world, health in memory.health_by_world(WORLDS_TOLD).items():
        kept.add_metric([world], health.memories)
        for name, gauge in gauges.items():
            if (rate := getattr(health, name)) is not None:
                gauge.add_metric([world], rate)
        if health.refreshed_at is not None:
            age.add_metric([world], (timezone.now() - health.refreshed_at).total_seconds())
    yield from (kept, *gauges.values(), age)


def _followed() -> Iterator[Metric]:
    """How subscribers stand, a sample each. Two queries."""
    behind = GaugeMetricFamily("thunderline_subscriber_lag", "Positions of the log yet to come", labels=["subscriber"])
    parked = GaugeMetricFamily("thunderline_parked_streams", "Streams that are held back", labels=["subscriber"])
    dead = GaugeMetricFamily("thunderline_dead_letters_waiting", "Dead letters that wait", labels=["subscriber"])
    opened = GaugeMetricFamily("thunderline_breaker_open", "Whether a breaker rests or tries", labels=["breaker"])
    for one in subscribers.standings():
        behind.add_metric([one.name], one.lag)
        parked.add_metric([one.name], one.parked)
        dead.add_metric([one.name], one.dead_letters)
    for name, state in subscribers.breakers():
        opened.add_metric([name], float(state != "closed"))
    yield from (behind, parked, dead, opened)

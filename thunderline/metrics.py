"""What `/metrics` says: the counts of every process, and what is so at the moment of asking."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import DatabaseError
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from domains.thunderblock import queries as registry
from domains.thunderflow.subscribers import queries as subscribers
from domains.thunderlink import heartbeat
from thunderline import multiprocess
from zones import queries as zones

logger = logging.getLogger(__name__)

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


class Moment(Collector):
    """Gauges that are read when somebody asks. Seven queries; without a database only that it is away."""

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
        sizes = GaugeMetricFamily("thunderline_store_bytes", "What is kept, with indexes", labels=["store"])
        for store, size in registry.store_sizes().items():
            sizes.add_metric([store], size)
        yield sizes
        yield from _followed()


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

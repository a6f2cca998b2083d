"""How many durable ticks a second real Celery workers do, beside the limit, in turns on the same machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from django.db import transaction
from django.utils import timezone

from agents import actions as agents
from agents import tasks
from agents.engine import loop
from agents.engine.turn import room
from domains import sql
from domains.thunderblock import actions as thunderblock
from thunderline.bench import limit
from thunderline.bench.arena import Arena, arena
from thunderline.bench.histogram import quantiles
from thunderline.bench.population import specs
from thunderline.config import BASE_DIR
from zones.actions import clock, places, worlds

OPTIONS = ("agents", "zones", "seconds", "workers")
TURNS = 3
"""How often product and limit take turns."""
PACE_S = 0.005
"""How often a steady clock looks whether it may go on."""
TICKS = "SELECT sum(tick_number) FROM pac_agents"


@dataclass(slots=True)
class Figures:
    """What is printed. Rates are per second of wall time over all turns."""

    agents: int
    zones: int
    workers: int
    seconds: float
    ticks_per_s: float = 0.0
    limit_ticks_per_s: float = 0.0
    ratio: float = 0.0
    batch_ms: dict[str, float] = field(default_factory=dict)
    memories_per_tick: float = 0.0
    events_per_tick: float = 0.0
    hot_updates: float = 0.0
    wal_bytes_per_tick: float = 0.0
    rss_mb_per_worker: float = 0.0
    checked: str = ""


Report = Callable[[str], None]


def run(*, agents: int, zones: int, seconds: float, workers: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Run product and limit in turns and check in the tables what the product did. Returns the figures."""
    figures = Figures(agents, zones, workers, seconds)
    with arena() as place:
        say(f"making {agents} agents in {zones} zones")
        world_id = build(agents, zones)
        product = Product(world_id, workers)
        with celery_workers(place, workers) as pids:
            say("warming up")
            product.warm_up()
            limit_ticks = limit_s = 0.0
            at_once = max(1, min(loop.MOST_ZONES, room() * zones // agents))
            for turn in range(TURNS):
                say(f"turn {turn + 1} of {TURNS}: product")
                product.go(seconds / TURNS)
                say(f"turn {turn + 1} of {TURNS}: limit")
                ticks, took = run_limit(
                    place, workers, seconds / TURNS, product.memories / max(1, product.ticks), at_once, first=not turn
                )
                limit_ticks, limit_s = limit_ticks + ticks, limit_s + took
            figures.rss_mb_per_worker = round(max(_rss_mb(pid) for pid in pids()), 1)
        say("checking")
        figures.checked = check(world_id)
        product.fill(figures)
        figures.limit_ticks_per_s = round(limit_ticks / limit_s, 1)
        figures.ratio = round(figures.ticks_per_s / figures.limit_ticks_per_s, 3)
        figures.batch_ms = quantiles(place.folder / "metrics", "thunderline_tick_chunk_seconds", (0.5, 0.95, 0.99))
    return asdict(figures)


def build(count: int, zone_count: int) -> Any:
    """A paused world with its domains active. Returns its id."""
    world_id, rooms = world_of(zone_count, capacity=min(100_000, 2 * (count // zone_count + 1) + 100))
    wanted = [(rooms[i % zone_count], spec) for i, spec in enumerate(specs(count))]
    for start in range(0, count, 2000):
        agents.create_many(wanted[start : start + 2000], world_id=world_id, by="bench")
    sql.execute("ANALYZE pac_agents")
    return world_id


def world_of(zone_count: int, *, capacity: int) -> tuple[Any, list[Any]]:
    """A paused world of zones in a ring, without agents, with its domains active. Returns its id and theirs."""
    thunderblock.start_all(now=timezone.now(), eager=True)
    world = worlds.create(name="bench", seed=1, status="paused")
    with transaction.atomic():
        rooms = places.create_many(world, [{"name": f"Zone {i}", "capacity": capacity} for i in range(zone_count)])
        if zone_count > 1:
            places.connect(
                [(rooms[i].pk, rooms[(i + 1) % zone_count].pk, 0.5) for i in range(zone_count)][
                    : -1 if zone_count == 2 else None
                ]
            )
    return world.pk, [room.pk for room in rooms]


@contextmanager
def celery_workers(place: Arena, count: int) -> Iterator[Callable[[], list[int]]]:
    """A real Celery worker with `count` processes. Yields what lists the pids of those processes."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "thunderline",
        "worker",
        "-Q",
        "work,ticks",
        "-c",
        str(count),
        "-l",
        "WARNING",
    ]
    environment: Mapping[str, str] = place.environment() | {"THUNDERLINE_WORKERS": str(count)}
    with (place.folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=BASE_DIR)
    try:
        yield lambda: [child.pid for child in psutil.Process(worker.pid).children()]
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _rss_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6


class Product:
    """The system itself, let go and stopped by its world's clock."""

    def __init__(self, world_id: Any, workers: int) -> None:
        self.world_id, self.workers = world_id, workers
        self.ticks, self.seconds, self.memories, self.events, self.wal = 0, 0.0, 0, 0, 0
        self.updates, self.hot = 0, 0

    def warm_up(self) -> None:
        """Until every worker process has loaded what it needs: a second of work after the first ticks."""
        self._open(clock.FOR_EVER)
        deadline = time.monotonic() + 120
        while _count(TICKS) == 0:
            if time.monotonic() > deadline:
                raise RuntimeError("the workers did not start to tick within two minutes")
            self._wake()
            time.sleep(0.2)
        self._keep_going(2.0)
        self._stop()

    def go(self, seconds: float) -> None:
        """One turn: flat out for this long, then to the end of the tick under way; all of it is counted."""
        before, started = self._counts(), time.perf_counter()
        self._open(clock.FOR_EVER)
        self._keep_going(seconds)
        self._stop()
        self.seconds += time.perf_counter() - started
        after = self._counts()
        self.ticks += after[0] - before[0]
        self.memories += after[1] - before[1]
        self.events += after[2] - before[2]
        self.wal += after[3] - before[3]
        self.updates += after[4] - before[4]
        self.hot += after[5] - before[5]

    def pace(self, world_ticks_per_s: float, seconds: float) -> tuple[int, float]:
        """Let the clock go on at a steady rate; what is late is not dropped. Returns agent ticks and wall time.

        They are counted when the time is over, and the clock then stops at the end of the world tick under way.
        """
        ((first,),) = sql.fetch_rows("SELECT tick FROM worlds WHERE id = %s", [self.world_id])
        before, started, opened = _count(TICKS), time.perf_counter(), first
        while (passed := time.perf_counter() - started) < seconds:
            if (target := first + int(passed * world_ticks_per_s) + 1) > opened:
                opened = target
                self._open(opened)
                self._wake()
            time.sleep(PACE_S)
        done, took = _count(TICKS) - before, time.perf_counter() - started
        self._stop()
        return done, took

    def fill(self, figures: Figures) -> None:
        """Put the sums of all turns into the figures."""
        figures.ticks_per_s = round(self.ticks / self.seconds, 1)
        figures.memories_per_tick = round(self.memories / self.ticks, 4)
        figures.events_per_tick = round(self.events / self.ticks, 4)
        figures.wal_bytes_per_tick = round(self.wal / self.ticks, 1)
        figures.hot_updates = round(self.hot / max(1, self.updates), 4)

    def _keep_going(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._wake()
            time.sleep(min(1.0, left))

    def _wake(self) -> None:
        for _ in range(self.workers):
            tasks.tick_zones.apply_async(expires=1)

    def _open(self, target: int) -> None:
        sql.execute("UPDATE worlds SET target_tick = %s WHERE id = %s", [target, self.world_id])

    def _stop(self) -> None:
        sql.execute("UPDATE worlds SET target_tick = tick WHERE id = %s", [self.world_id])
        woken = time.monotonic()
        while clock.anything_to_do(self.world_id):
            if time.monotonic() - woken > 1.0:  # a message that waited too long is void, and no heartbeat sends another
                self._wake()
                woken = time.monotonic()
            time.sleep(0.002)

    def _counts(self) -> tuple[int, int, int, int, int, int]:
        sql.execute("SELECT pg_stat_clear_snapshot()")
        stats = "FROM pg_stat_user_tables WHERE relname = 'pac_agents'"
        return (
            _count(TICKS),
            _count("SELECT count(*) FROM memory_nodes"),
            _count("SELECT sum(seq) FROM event_streams"),
            _count("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"),
            _count(f"SELECT n_tup_upd {stats}"),
            _count(f"SELECT n_tup_hot_upd {stats}"),
        )


def _count(query: str) -> int:
    return int(sql.fetch_rows(query)[0][0] or 0)


def run_limit(
    place: Arena, processes: int, seconds: float, memories_per_tick: float, zones: int, *, first: bool
) -> tuple[int, float]:
    """The limit's turn, of transactions over so many zones. Returns its ticks and the mean time of its processes."""
    if first:
        limit.prepare(place.database_url)
    command = [
        sys.executable,
        "-m",
        "thunderline.bench.limit",
        place.database_url,
        str(seconds),
        str(memories_per_tick),
        str(zones),
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    done = [process.communicate(timeout=seconds + 60)[0].split() for process in running]
    return sum(int(ticks) for ticks, _ in done), sum(float(took) for _, took in done) / processes


def check(world_id: Any) -> str:
    """Compare the agents with their logs and events. Raises: RuntimeError when a tick is missing or double."""
    ticks = _count(TICKS)
    logs = _count("SELECT count(*) FROM tick_logs")
    events = _count("SELECT count(*) FROM events WHERE topic LIKE 'zone.%.agent_ticked'")
    wrong = _count(
        """SELECT count(*) FROM pac_agents a LEFT JOIN
               (SELECT agent_id, count(*) AS n, max(tick_number) AS last FROM tick_logs GROUP BY 1) l
           ON l.agent_id = a.id
           WHERE a.tick_number <> coalesce(l.n, 0) OR a.tick_number <> coalesce(l.last, 0)"""
    )
    if wrong or not ticks == logs == events:
        raise RuntimeError(f"{ticks} ticks, {logs} logs, {events} events, {wrong} agents out of step")
    return f"{ticks} ticks = {logs} logs = {events} events, no gap"

"""What `bench events` measures of those who follow: events handled a second, how soon, and history sent again.

The subscribers here write a row an event. Real `manage.py follow` processes load this module as a plug-in.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import quantiles
from typing import Any, ClassVar

import psutil
import psycopg
from django.db import connection, transaction
from django.utils import timezone

from domains import sql
from domains.thunderblock import actions as thunderblock
from domains.thunderflow import queries
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.payloads import Payload
from domains.thunderflow.subscribers import StoredEvent, actions, get, leases, subscriber
from domains.thunderflow.subscribers import queries as standing
from domains.thunderflow.subscribers.replay import replay
from thunderline.bench.arena import Arena
from thunderline.bench.ticks import Report
from thunderline.config import BASE_DIR

PROCESSES = 2
WAIT_S = 60.0
WAKES_PER_S, WAKE_S = 100, 20.0
CONSUMED = 400_000
"""Events that wait."""
CHANNEL = "bench_effects"

EFFECTS = """
CREATE TABLE bench_effects (stream text, seq bigint, position bigint, at timestamptz DEFAULT clock_timestamp())
"""
_COLUMNS = {"stream": "text", "seq": "int8", "position": "int8"}


@subscriber(name="bench", pattern="zone.**", batch=1000, shards=PROCESSES)
def write(events: Sequence[StoredEvent]) -> None:
    """A row an event."""
    sql.copy("bench_effects", _COLUMNS, [(event.stream, event.seq, event.position) for event in events])


@subscriber(name="bench-wake", pattern="bench.wake", batch=1000)
def tell(events: Sequence[StoredEvent]) -> None:
    """A row an event, of which the benchmark hears when it is committed."""
    write(events)
    sql.execute("SELECT pg_notify(%s, %s)", [CHANNEL, " ".join(str(event.seq) for event in events)])


def prepare() -> None:
    """Tables and subscriptions. Call it before anything is published."""
    thunderblock.start_all(now=timezone.now(), eager=True)
    sql.execute(EFFECTS)
    leases.declare([get("bench"), get("bench-wake")])
    actions.pause("bench", by="bench")


@contextmanager
def processes(place: Arena) -> Iterator[list[psutil.Process]]:
    """Real `manage.py follow` processes that hold all shards."""
    environ = place.environment() | {"THUNDERLINE_PLUGINS": __name__}
    with ExitStack() as stack:
        found = []
        for n in range(PROCESSES):
            log = stack.enter_context((place.folder / f"follow-{n}.log").open("wb"))
            command = [sys.executable, str(BASE_DIR / "manage.py"), "follow"]
            process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=BASE_DIR)
            stack.callback(_end, process)
            found.append(psutil.Process(process.pid))
        _until(
            lambda: standing.followers() == PROCESSES and all(one.held == one.shards for one in standing.standings())
        )
        yield found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measure(place: Arena, seconds: float, replayed: int, say: Report) -> dict[str, Any]:
    """Events that wait, events as they come, and history once more. Needs a log with events of zones."""
    say("followers begin")
    with processes(place):
        say("events that wait")
        figures: dict[str, Any] = {"consume_per_s": round(consume_per_s(), 1)}
        say("a hundred events a second")
        figures["wake_ms"] = wake_ms(min(seconds, WAKE_S))
    say(f"the last {replayed:,} events once more")
    return figures | replay_rate(replayed)


def consume_per_s() -> float:
    """Events that wait handled a second by all processes, with a row each; all of them must be there afterwards."""
    settled = queries.settled()
    begin = max(0, settled - CONSUMED)
    actions.rewind("bench", to=begin, by="bench")
    count = int(
        sql.fetch_rows("SELECT count(*) FROM events WHERE position > %s AND topic LIKE 'zone.%%'", [begin])[0][0]
    )
    sql.execute("TRUNCATE bench_effects")
    before = _handled()
    actions.resume("bench", by="bench")
    _until(lambda: _handled() > before)
    started, first = time.perf_counter(), _handled()
    _until(lambda: _handled() - before >= count, seconds=600)
    took = time.perf_counter() - started
    if (found := sql.fetch_rows("SELECT count(*), count(DISTINCT position) FROM bench_effects")[0]) != (count, count):
        raise RuntimeError(f"{found} rows and positions for {count} events")
    actions.pause("bench", by="bench")
    return (before + count - first) / took


def _handled() -> int:
    return next(one.handled for one in standing.standings() if one.name == "bench")


class Waking(Payload):
    """One of a hundred a second."""

    topic: ClassVar[str] = "bench.wake"

    words: str


def wake_ms(seconds: float) -> dict[str, float]:
    """From the return of a commit to the commit of the effect, at a hundred single events a second."""
    sent: dict[int, float] = {}
    heard: dict[int, float] = {}
    event = NewEvent("bench", Waking.topic, Waking(words="wake up " * 25))
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as server:
        server.execute(f"LISTEN {CHANNEL}")
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            with transaction.atomic():
                seq = publish(event)
            sent[seq] = time.perf_counter()
            _hear(server, heard, max(0.0, began + 1 / WAKES_PER_S - time.perf_counter()))
        deadline = time.perf_counter() + WAIT_S
        while len(heard) < len(sent) and time.perf_counter() < deadline:
            _hear(server, heard, 0.05)
    if heard.keys() != sent.keys():
        raise RuntimeError(f"{len(sent) - len(heard)} of {len(sent)} events had no effect within {WAIT_S:g} s")
    delays = quantiles([(heard[seq] - sent[seq]) * 1000 for seq in sent], n=100)
    return {"p50": round(delays[49], 2), "p99": round(delays[98], 2)}


def _hear(server: psycopg.Connection[Any], heard: dict[int, float], seconds: float) -> None:
    for word in server.notifies(timeout=seconds):
        now = time.perf_counter()
        heard.update((int(seq), now) for seq in word.payload.split())


def replay_rate(count: int) -> dict[str, float]:
    """The newest `count` events sent to the subscriber again by this process: events a second, and how memory grew."""
    sql.execute("TRUNCATE bench_effects")
    last = queries.settled()
    process, sizes = psutil.Process(), []
    started = time.perf_counter()

    def note(*_: int) -> None:
        sizes.append(process.memory_info().rss)

    done = replay(get("bench"), first=max(1, last - count + 1), last=last, done=note)
    took = time.perf_counter() - started
    if _effects() != done:
        raise RuntimeError(f"{_effects()} rows for {done} events")
    quarter = sizes[len(sizes) // 4] if sizes else 0
    return {
        "replay_per_s": round(done / took, 1),
        "replayed": done,
        "replay_growth_mb": round((max(sizes) - quarter) / 1e6, 1),
    }


def _effects() -> int:
    return int(sql.fetch_rows("SELECT count(*) FROM bench_effects")[0][0])


def _until(holds: Any, seconds: float = WAIT_S) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("the followers did not come so far in time")
        time.sleep(0.05)

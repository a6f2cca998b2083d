"""Publishers, followers and servers are killed under load: every committed event takes effect exactly once, in order.

CHAOS_SEED repeats the choices of a run. CHAOS_SOAK_S says how long it is watched in peace (300 in a long run).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg
import pytest

from tests.chaos.following import HANGS, TABLE
from tests.chaos.publishing import STREAMS
from tests.chaos.test_nothing_is_lost import SEED, SHORT, Disturbed, check_deadlocks, check_log, disturb
from tests.installation import PROGRAMS, Installation, eventually, installation
from thunderline.embedded.places import SOURCE

__all__ = ["installation"]

pytestmark = pytest.mark.timeout(1800)

FOLLOWERS = ("follow-1", "follow-2")
ROUNDS = 2 if SHORT else 8
SOAK_S = float(os.environ.get("CHAOS_SOAK_S", 0 if SHORT else 300))
PUBLISHED = "FROM events e WHERE starts_with(e.topic, 'chaos.')"


class Crowd:
    """Processes that publish; one that is killed is begun anew as another writer."""

    def __init__(self, disturbed: Disturbed, count: int) -> None:
        self.environ = disturbed.system.environ | {"DJANGO_SETTINGS_MODULE": "thunderline.settings"}
        self.environ["PYTHONPATH"] = os.pathsep.join([str(SOURCE), *filter(None, sys.path)])
        self.begun = 0
        self.processes: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            self.begin()

    def begin(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.publishing", str(self.begun)]
        self.begun += 1
        self.processes.append(subprocess.Popen(command, env=self.environ, cwd="/"))

    def kill_one(self, chance: random.Random) -> None:
        victim = self.processes.pop(chance.randrange(len(self.processes)))
        victim.kill()
        victim.wait()
        self.begin()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []


@pytest.fixture
def disturbed(installation: Installation) -> Iterator[Disturbed]:
    yield from disturb(
        installation, PROGRAMS + 1, THUNDERLINE_FOLLOWERS="2", THUNDERLINE_PLUGINS="tests.chaos.following",
        PYTHONPATH=os.pathsep.join([str(SOURCE), *filter(None, sys.path)]),
    )  # fmt: skip


def test_every_event_takes_effect_once_whatever_is_killed(disturbed: Disturbed) -> None:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a failure
    with psycopg.connect(disturbed.url, autocommit=True) as server:
        server.execute(TABLE)
    crowd = Crowd(disturbed, 3)
    try:
        eventually(lambda: effects(disturbed, "healthy") > 50)
        for _ in range(ROUNDS):
            for what in disturbed.chance.sample(WAYS, len(WAYS)):
                what(disturbed, crowd)
                time.sleep(disturbed.chance.uniform(0.2, 1.0))
                goes_on(disturbed)
        soak(disturbed)
    finally:
        crowd.end()
    come_to_rest(disturbed)
    for check in (check_healthy, check_dead, check_log, check_deadlocks):
        check(disturbed)
    moved = disturbed.recovered_s["shards of a follower"]
    print(f"seconds until shards had moved: {moved}")  # noqa: T201
    assert min(moved) <= 5.0  # some meet with what was killed before
    print(f"events: {disturbed.ask(f'SELECT count(*) {PUBLISHED}')[0][0]}, writers: {crowd.begun}")  # noqa: T201


# --- What is done to it --------------------------------------------------------------------------------------


def kill_follower(disturbed: Disturbed, crowd: Crowd) -> None:
    """The shards of who is killed move to who lives beside it; the last one alone has nobody to leave them to."""
    name = disturbed.chance.choice(FOLLOWERS)
    live = "SELECT count(*) FROM event_followers WHERE seen_at > now() - interval '2 seconds'"
    eventually(lambda: disturbed.ask(live)[0][0] >= len(FOLLOWERS), 120)
    victim = disturbed.victim(name)
    if victim is None:
        return
    before, killed = effects(disturbed, "healthy"), time.monotonic()
    victim.kill()
    eventually(lambda: effects(disturbed, "healthy") > before, 30)
    held = """SELECT count(*) FROM event_leases l JOIN event_followers f ON f.id = l.holder
              WHERE l.expires_at > now() AND f.pid <> %s"""
    eventually(lambda: disturbed.ask(held, victim.pid)[0][0] == SHARDS, 30)
    disturbed.recovered_s["shards of a follower"].append(round(time.monotonic() - killed, 2))


def kill_publisher(disturbed: Disturbed, crowd: Crowd) -> None:
    crowd.kill_one(disturbed.chance)


def kill_database(disturbed: Disturbed, crowd: Crowd) -> None:
    kill_program(disturbed, "postgres")


def kill_redis(disturbed: Disturbed, crowd: Crowd) -> None:
    kill_program(disturbed, "redis")


def kill_program(disturbed: Disturbed, name: str) -> None:
    eventually(lambda: disturbed.victim(name), 30)
    victim = disturbed.victim(name)
    assert victim
    victim.kill()


def cut_off(disturbed: Disturbed, crowd: Crowd) -> None:
    """A follower loses every database session that it has."""
    disturbed.ask(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
           AND pid <> pg_backend_pid() AND query LIKE '%event_cursors%'"""
    )


def freeze(disturbed: Disturbed, crowd: Crowd) -> None:
    """A follower that stands still for longer than its leases last, and then wakes."""
    name = disturbed.chance.choice(FOLLOWERS)
    victim = disturbed.victim(name)
    if victim is None:
        return
    try:
        victim.suspend()
        time.sleep(4.0)
        victim.resume()
    except psutil.NoSuchProcess:
        return


WAYS = [kill_follower, kill_publisher, kill_database, kill_redis, cut_off, freeze]
SHARDS = 8


# --- What must hold ------------------------------------------------------------------------------------------


def effects(disturbed: Disturbed, name: str) -> int:
    return int(disturbed.ask("SELECT count(*) FROM chaos_effects WHERE subscriber = %s", name)[0][0])


def goes_on(disturbed: Disturbed) -> None:
    before = effects(disturbed, "healthy")
    eventually(lambda: effects(disturbed, "healthy") > before, 40)


def soak(disturbed: Disturbed) -> None:
    """For a while nothing is done: memory stays flat, and nobody who is well falls behind."""
    if not SOAK_S:
        return
    sizes: dict[str, list[int]] = defaultdict(list)
    end = time.monotonic() + SOAK_S
    while time.monotonic() < end:
        time.sleep(10)
        for name in FOLLOWERS:
            if process := disturbed.victim(name):
                sizes[name].append(process.memory_info().rss)
        lag = disturbed.ask(
            """SELECT max(pg_sequence_last_value('event_position_seq') - c.position) FROM event_cursors c
               JOIN event_subscriptions s ON s.id = c.subscription_id WHERE s.name = 'healthy'"""
        )[0][0]
        assert lag < 2000
    for name, measured in sizes.items():
        half = len(measured) // 2
        print(f"{name}: {[round(size / 1e6) for size in measured]} MB")  # noqa: T201
        assert max(measured[half:]) < 1.15 * max(measured[:half])


def come_to_rest(disturbed: Disturbed) -> None:
    """Until everybody has handled, or buried, all there is."""
    last = disturbed.ask(f"SELECT max(position) {PUBLISHED}")[0][0]
    waiting = """SELECT s.name, 'behind by', %s - c.position FROM event_cursors c
                 JOIN event_subscriptions s ON s.id = c.subscription_id WHERE c.position < %s UNION ALL
                 SELECT s.name, 'holds back', count(*) FROM event_parked_streams p
                 JOIN event_subscriptions s ON s.id = p.subscription_id GROUP BY s.name"""
    began = time.monotonic()
    try:
        eventually(lambda: not disturbed.ask(waiting, last, last), 300)
    except AssertionError:
        raise AssertionError(f"no rest: {disturbed.ask(waiting, last, last)}") from None
    print(f"came to rest within {time.monotonic() - began:.0f} s")  # noqa: T201


def check_healthy(disturbed: Disturbed) -> None:
    """Each committed event once, and in the order of its stream."""
    wanted = ordered(disturbed.ask(f"SELECT e.stream, e.seq {PUBLISHED} ORDER BY e.stream, e.seq"))
    assert len(wanted) == STREAMS
    for name in ("healthy", "moody"):
        done = ordered(disturbed.ask("SELECT stream, seq FROM chaos_effects WHERE subscriber = %s ORDER BY n", name))
        assert done == wanted, name
        assert not disturbed.ask(
            """SELECT 1 FROM event_dead_letters d JOIN event_subscriptions s ON s.id = d.subscription_id
               WHERE s.name = %s LIMIT 1""", name,
        )  # fmt: skip


def ordered(rows: list[tuple[Any, ...]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for stream, seq in rows:
        found[stream].append(seq)
    return found


DEAD = """SELECT d.position FROM event_dead_letters d JOIN event_subscriptions s ON s.id = d.subscription_id
          WHERE s.name = %s AND d.status = 'waiting' ORDER BY 1"""


def check_dead(disturbed: Disturbed) -> None:
    """What never works is a dead letter, each one; and nothing of what it tried is left."""
    rare = disturbed.ask("SELECT position FROM events WHERE topic = 'chaos.rare' ORDER BY 1")
    assert rare
    assert disturbed.ask(DEAD, "failing") == rare
    assert effects(disturbed, "failing") == 0
    hung = disturbed.ask(f"SELECT e.position {PUBLISHED} AND mod((payload->>'number')::int, {HANGS}) = 7 ORDER BY 1")
    assert disturbed.ask(DEAD, "hanging") == hung
    everything = disturbed.ask(f"SELECT e.position {PUBLISHED} ORDER BY 1")
    done = disturbed.ask("SELECT position FROM chaos_effects WHERE subscriber = 'hanging' ORDER BY 1")
    assert done == sorted({*everything} - {*hung})

"""A whole system lives while its processes are killed: no tick is lost or applied twice, and it goes on by itself.

CHAOS=short makes it brief. CHAOS_SEED repeats the choices of a run; CHAOS_PATIENCE_S is for slow machines.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.rows import tuple_row

from agents.converse import READ_AT_ONCE
from tests.chaos.population import specs
from tests.installation import PROGRAMS, Installation, eventually, installation
from thunderline import embedded
from thunderline.embedded.places import SOURCE

__all__ = ["installation"]

pytestmark = pytest.mark.timeout(1800)

SHORT = os.environ.get("CHAOS") == "short"
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(1_000_000)))
PATIENCE_S = float(os.environ.get("CHAOS_PATIENCE_S", 10))
ROUNDS = 1 if SHORT else 4
# In each round, in an order of chance. At least twenty kills of workers in the shortest run.
KILLS = {
    "worker-1 child": 6, "worker-2 child": 6, "worker-1": 3, "worker-2": 2,
    "heartbeat child": 2, "heartbeat": 2, "beat": 2, "web": 1,
    "redis": 2, "postgres": 2, "postgres child": 2,
}  # fmt: skip


class Disturbed:
    """An installation, what is asked of its database, and what is done to its processes."""

    def __init__(self, system: Installation) -> None:
        self.system = system
        self.chance = random.Random(SEED)
        self.url = embedded.database_url(system.places.var)
        self.connection: psycopg.Connection[Any] | None = None
        self.recovered_s: dict[str, list[float]] = defaultdict(list)

    def ask(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """Rows; waits for a database that is coming back."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.connection is None:
                    self.connection = psycopg.connect(self.url, autocommit=True, row_factory=tuple_row)
                return self.connection.execute(query, params or None).fetchall()  # type: ignore[call-overload]
            except psycopg.OperationalError:
                self.connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def run(self, *words: str) -> Any:
        """A process of ours on this installation; what it printed."""
        environ = self.system.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), *filter(None, sys.path)])}
        command = [sys.executable, "-m", "tests.chaos.population", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def tick(self) -> int:
        return int(self.ask("SELECT tick FROM worlds WHERE name = 'Chaos'")[0][0])

    def victim(self, what: str) -> psutil.Process | None:
        """A process of this installation, never another: by its supervisor's word and as that one's child."""
        program, _, child = what.partition(" ")
        try:
            process = psutil.Process(self.system.pids()[program])
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            assert self.system._owns(process)
            if not child:
                return process
            children = process.children()
            return self.chance.choice(children) if children else None
        except (KeyError, psutil.NoSuchProcess, OSError):
            return None  # on its way back; the next look finds it

    def kill(self, what: str) -> None:
        """SIGKILL, and see that the world goes on within the promised time, without help."""
        eventually(lambda: self.victim(what), 30)
        at = self.tick()
        while not (process := self.victim(what)):
            time.sleep(0.05)
        killed = time.monotonic()
        process.kill()
        while self.tick() <= at + 1:  # the tick under way, and one that began afterwards
            assert time.monotonic() - killed < PATIENCE_S + 30, f"the world stands still after {what}"
            time.sleep(0.05)
        self.recovered_s[what].append(round(time.monotonic() - killed, 2))


def disturb(installation: Installation, programs: int = PROGRAMS, **served: str) -> Iterator[Disturbed]:
    """What a fixture yields: the installation with all of its programs running."""
    installation.served = {"THUNDERLINE_LOG_LEVEL": "WARNING", **served}
    installation.start()
    said: list[str] = []
    assert installation.up
    assert installation.up.stdout
    # Nobody reading would stop `up` once the pipe is full.
    threading.Thread(target=said.extend, args=(installation.up.stdout,), daemon=True).start()
    eventually(lambda: len(installation.pids()) == programs)
    made = Disturbed(installation)
    yield made
    if made.connection:
        made.connection.close()


@pytest.fixture
def disturbed(installation: Installation) -> Iterator[Disturbed]:
    yield from disturb(installation)


def test_no_tick_is_lost_and_none_applied_twice(disturbed: Disturbed) -> None:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a failure
    disturbed.run("make", "Chaos")
    disturbed.ask("UPDATE worlds SET status = 'running', rate = 2 WHERE name = 'Chaos' RETURNING 1")
    eventually(lambda: disturbed.tick() > 5)

    for _ in range(ROUNDS):
        kills = [what for what, count in KILLS.items() for _ in range(count)]
        disturbed.chance.shuffle(kills)
        for what in kills:
            time.sleep(disturbed.chance.uniform(0, 1.5))
            disturbed.kill(what)

    last = come_to_rest(disturbed)
    count = Counter({what: len(times) for what, times in disturbed.recovered_s.items()})
    print(f"kills: {dict(count)}, world ticks: {last}")  # noqa: T201
    print(f"seconds until the world went on: {dict(disturbed.recovered_s)}")  # noqa: T201
    for check in (
        check_ticks, check_stats, check_events, check_streams, check_barrier, check_zones, check_memories, check_logs
    ):  # fmt: skip
        check(disturbed)
    check_against_a_calm_life(disturbed, last)
    assert max(seconds for each in disturbed.recovered_s.values() for seconds in each) <= PATIENCE_S


def come_to_rest(disturbed: Disturbed) -> int:
    """Pause, wait until the tick under way is done; the world tick at which it rests."""
    disturbed.ask("UPDATE worlds SET status = 'paused', target_tick = tick WHERE name = 'Chaos' RETURNING 1")
    due = """SELECT 1 FROM pac_zones z JOIN worlds w ON w.id = z.world_id
             WHERE w.name = 'Chaos' AND (z.due_tick <= w.tick OR w.tick < w.target_tick) LIMIT 1"""
    # A paused world's zones are finished by whoever wakes next: a heartbeat opens clocks all the same.
    eventually(lambda: not disturbed.ask(due), 30)
    return disturbed.tick()


# --- What must hold ------------------------------------------------------------------------------------------

DOUBLE = "near_duplicate of "
PEOPLE = "FROM pac_agents a JOIN worlds w ON w.id = a.world_id AND w.name = 'Chaos'"


def check_ticks(disturbed: Disturbed) -> None:
    """Each agent: as many logs as ticks, from 1 on, at every world tick at which it was due and at no other."""
    rows = disturbed.ask(
        f"""SELECT a.ordinal, a.tick_number, a.tick_interval, array_agg(l.tick_number ORDER BY l.world_tick),
                   array_agg(l.world_tick ORDER BY l.world_tick), array_agg(DISTINCT l.error)
            {PEOPLE} JOIN tick_logs l ON l.agent_id = a.id GROUP BY a.id"""
    )
    last = disturbed.tick()
    arrivals: dict[int, Counter[int]] = defaultdict(Counter)
    for ordinal, tick, count in disturbed.ask(
        f"""SELECT a.ordinal, m.arrived_tick, count(*) {PEOPLE} JOIN agent_messages m ON m.recipient_id = a.id
            WHERE m.arrived_tick IS NOT NULL GROUP BY 1, 2"""
    ):
        arrivals[ordinal][tick] = count
    assert len(rows) == len(specs())
    for ordinal, tick_number, interval, numbers, world_ticks, _ in rows:
        assert numbers == list(range(1, tick_number + 1)), ordinal
        assert world_ticks == due_ticks(ordinal, interval, arrivals[ordinal], last), ordinal
    errors = {error for row in rows for error in row[5] if error and "not possible now" not in error}
    assert not errors


def due_ticks(ordinal: int, interval: int, arrivals: Counter[int], last: int) -> list[int]:
    """The world ticks at which an agent is due: by its interval, or sooner when a message comes or is left unread."""
    found, due, waiting = [], 1 + ordinal % interval, 0
    for tick in range(1, last + 1):
        waiting += arrivals[tick]
        if tick >= due or arrivals[tick]:
            found.append(tick)
            waiting = max(0, waiting - READ_AT_ONCE)
            due = tick + 1 if waiting else tick + interval
    return found


def check_stats(disturbed: Disturbed) -> None:
    """What an agent has is what it was born with and what its logs say."""
    born = {"energy": 80.0, "creativity": 50.0, "focus": 50.0, "social": 50.0, "exploration": 50.0}
    for name, start in born.items():
        rows = disturbed.ask(
            f"""SELECT a.ordinal, a.{name}, coalesce(sum((l.stat_changes->>'{name}')::float8), 0), count(*)
                {PEOPLE} JOIN tick_logs l ON l.agent_id = a.id GROUP BY a.id"""
        )
        for ordinal, value, changes, ticks in rows:
            assert value == pytest.approx(start + changes, abs=0.01 * ticks), (ordinal, name)


def check_events(disturbed: Disturbed) -> None:
    """Each tick was told once, as it was."""
    logs = disturbed.ask(
        f"""SELECT l.agent_id::text, l.tick_number, l.world_tick, l.narrative, encode(l.state_hash, 'hex'),
                   l.zone_id::text
            {PEOPLE} JOIN tick_logs l ON l.agent_id = a.id ORDER BY 1, 2"""
    )
    told = disturbed.ask(
        """SELECT payload->>'agent_id', (payload->>'tick_number')::bigint, (payload->>'world_tick')::bigint,
                  payload->>'narrative', payload->>'state_hash', replace(stream, 'zone:', '')
           FROM events WHERE topic ~ '[.]agent_ticked$' ORDER BY 1, 2"""
    )
    assert len(logs) > 1000
    assert told == logs
    assert disturbed.ask("SELECT count(*) FROM events WHERE topic ~ '[.]tick_failed$'") == [(0,)]


def check_streams(disturbed: Disturbed) -> None:
    """Each zone has told something, and the log is whole."""
    assert len(check_log(disturbed)) > disturbed.ask("SELECT count(*) FROM pac_zones")[0][0] > 0


def check_log(disturbed: Disturbed) -> list[tuple[Any, ...]]:
    """No number of a stream is missing or used twice, and its counter is where it ends. Returns a row a stream."""
    rows = disturbed.ask(
        """SELECT s.name, s.seq, count(e.*), count(DISTINCT e.seq), min(e.seq), max(e.seq)
           FROM event_streams s LEFT JOIN events e ON e.stream = s.name GROUP BY s.name, s.seq"""
    )
    assert not [row for row in rows if not row[1] == row[2] == row[3] == row[5] or row[4] != 1]
    return rows


def check_barrier(disturbed: Disturbed) -> None:
    """Nobody began a tick before everybody had finished the one before."""
    spans = disturbed.ask(
        """SELECT (payload->>'world_tick')::bigint AS tick, min(position), max(position)
           FROM events WHERE topic ~ '[.]agent_ticked$' GROUP BY 1 ORDER BY 1"""
    )
    assert all(one[0] + 1 == next_[0] and one[2] < next_[1] for one, next_ in pairwise(spans))


def check_zones(disturbed: Disturbed) -> None:
    rows = disturbed.ask(
        """SELECT z.name, z.agent_count, z.capacity, count(a.*) FROM pac_zones z JOIN worlds w ON w.id = z.world_id
           LEFT JOIN pac_agents a ON a.zone_id = z.id WHERE w.name = 'Chaos' GROUP BY z.id"""
    )
    assert not [row for row in rows if row[1] != row[3] or row[1] > row[2]]
    assert [(sum(row[1] for row in rows),)] == disturbed.ask(f"SELECT count(*) {PEOPLE}")


def check_memories(disturbed: Disturbed) -> None:
    """Each memory that logs name is there, seen as often as they name it, and no other of these agents.

    Or upkeep has told of it: that it went into a near-equal one, or that it went for another reason.
    """
    named = disturbed.ask(
        f"""SELECT json_array_elements_text(l.memories)::uuid AS id, count(*)
            {PEOPLE} JOIN tick_logs l ON l.agent_id = a.id GROUP BY 1"""
    )
    told = disturbed.ask(
        f"""SELECT m.id::uuid, e.payload ->> 'reason' {PEOPLE} JOIN events e ON e.topic = 'memory.forgotten'
            AND e.payload ->> 'agent_id' = a.id::text, jsonb_array_elements_text(e.payload -> 'memories') AS m (id)"""
    )
    # Into which it went; nothing: for another reason.
    went = {str(gone): reason.removeprefix(DOUBLE) if reason.startswith(DOUBLE) else "" for gone, reason in told}
    assert len(went) == len(told), "none goes twice"
    seen: dict[str, int] = {}
    for memory, times in named:
        last = str(memory)
        while last in went:
            last = went[last]
        if last:
            seen[last] = seen.get(last, 0) + times
    kept = disturbed.ask(f"SELECT m.id, m.seen_count {PEOPLE} JOIN memory_nodes m ON m.agent_id = a.id")
    assert seen == {str(memory): times for memory, times in kept} != {}


def check_logs(disturbed: Disturbed) -> None:
    assert "was terminated by signal 9" in check_deadlocks(disturbed)  # it is the right log


def check_deadlocks(disturbed: Disturbed) -> str:
    """None, whatever was killed. Returns what the database's server said."""
    files = list(disturbed.system.places.log.glob("postgres.log*"))
    assert files
    said = "".join(file.read_text(errors="replace") for file in files)
    assert "deadlock detected" not in said
    return said


def check_against_a_calm_life(disturbed: Disturbed, ticks: int) -> None:
    """The same world, left in peace, comes to the same."""
    disturbed.run("run", "Calm", str(ticks))
    calm, chaos = disturbed.run("history", "Calm"), disturbed.run("history", "Chaos")
    assert len(calm) == len(chaos)
    assert [pair for pair in zip(calm, chaos, strict=True) if pair[0] != pair[1]][:1] == []

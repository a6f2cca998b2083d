"""The limit to compare ticks with: a hand-written psycopg loop over the same rows, in the same chunks.

No Django, no decisions, vectors ready-made. Each process claims zones (SKIP LOCKED), reads their agents, writes them
back by one UPDATE, and copies as many tick logs, memories and events as the product wrote, taken from what it wrote.
Runs as `python -m thunderline.bench.limit URL SECONDS MEMORIES_PER_TICK ZONES` and prints its ticks and seconds.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

# Fresh tables with the same columns, indexes and checks, filled with the same agents.
PREPARE = """
DROP TABLE IF EXISTS limit_agents, limit_zones, limit_logs, limit_memories, limit_events, limit_streams;
CREATE TABLE limit_agents (LIKE pac_agents INCLUDING ALL) WITH (fillfactor = 35);
INSERT INTO limit_agents SELECT * FROM pac_agents;
CREATE TABLE limit_zones (LIKE pac_zones INCLUDING ALL) WITH (fillfactor = 50);
INSERT INTO limit_zones SELECT * FROM pac_zones;
UPDATE limit_zones SET due_tick = 0;
CREATE TABLE limit_logs (LIKE tick_logs, UNIQUE (agent_id, tick_number));
CREATE TABLE limit_memories (LIKE memory_nodes INCLUDING ALL);
CREATE TABLE limit_events (LIKE events INCLUDING DEFAULTS, PRIMARY KEY (position), UNIQUE (stream, seq));
CREATE TABLE limit_streams (LIKE event_streams INCLUDING ALL) WITH (fillfactor = 30);
CREATE SEQUENCE IF NOT EXISTS limit_position;
ALTER TABLE limit_events ALTER COLUMN position SET DEFAULT nextval('limit_position');
ANALYZE limit_agents;
"""

CLAIM = """SELECT id, due_tick, happenings FROM limit_zones WHERE due_tick = (SELECT min(due_tick) FROM limit_zones)
           LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"""
CLAIM_ANY = "SELECT id, due_tick, happenings FROM limit_zones LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"
READ = """SELECT id, ordinal, name, capabilities, mod_count, reasoner, movement_range, tick_interval,
                 openness, conscientiousness, extraversion, agreeableness, neuroticism,
                 energy, creativity, focus, social, exploration, mood, activity, current_focus,
                 goals::text, working_memory::text, recent_actions, x, y, z, tick_number, last_tick, due_tick, zone_id
          FROM limit_agents WHERE zone_id = ANY(%s) AND lifecycle = 'active' ORDER BY zone_id, ordinal"""
UPDATE = """
UPDATE limit_agents a SET energy = u.energy, creativity = u.creativity, focus = u.focus, social = u.social,
    exploration = u.exploration, mood = u.mood, activity = u.activity, current_focus = u.current_focus,
    goals = coalesce(u.goals::json, a.goals), working_memory = coalesce(u.working_memory::json, a.working_memory),
    recent_actions = u.recent_actions, x = u.x, y = u.y,
    tick_number = u.expected + 1, last_tick = u.last_tick, due_tick = u.due_tick, updated_at = now()
FROM unnest(%b::uuid[], %b::int8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[],
            %b::float8[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::float8[], %b::float8[],
            %b::int8[], %b::int8[])
     AS u (id, expected, energy, creativity, focus, social, exploration, mood, activity, current_focus,
           goals, working_memory, recent_actions, x, y, last_tick, due_tick)
WHERE a.id = u.id AND a.tick_number = u.expected
"""
LOG = """agent_id, zone_id, tick_number, world_tick, inserted_at, processing_time, confidence, state_hash, action,
         reasoning, narrative, decision::text, review::text, stat_changes::text, state_changes::text,
         memories::text, stage_ms::text"""
COPY_LOG = """COPY limit_logs (id, agent_id, zone_id, tick_number, world_tick, inserted_at, processing_time, confidence,
         state_hash, action, reasoning, narrative, decision, review, stat_changes, state_changes, memories, stage_ms)
         FROM STDIN"""
COPY_EVENT = """COPY limit_events
         (seq, id, correlation_id, event_version, priority, stream, topic, actor, node, payload) FROM STDIN"""
COPY_MEMORY = """COPY limit_memories
         (id, agent_id, content, summary, embedding, kind, importance, valence, tags, source, access_count,
          inserted_at, updated_at) FROM STDIN"""


class Samples:
    """Rows that the product wrote, to be written again under new keys."""

    def __init__(self, database: psycopg.Connection[Any]) -> None:
        self.logs = database.execute(f"SELECT {LOG} FROM tick_logs LIMIT 2000").fetchall()
        self.events = database.execute(
            "SELECT topic, actor, node, payload::text FROM events WHERE topic LIKE 'zone.%.agent_ticked' LIMIT 2000"
        ).fetchall()
        self.memories = database.execute(
            "SELECT content, embedding::text, source::text FROM memory_nodes LIMIT 2000"
        ).fetchall()


class Loop:
    """One process of the limit."""

    def __init__(self, url: str, memories_per_tick: float, zones: int) -> None:
        self.database = psycopg.connect(url, prepare_threshold=1)
        self.samples = Samples(self.database)
        self.memories_per_tick, self.zones = memories_per_tick, zones
        self.database.commit()

    def run(self, seconds: float) -> tuple[int, float]:
        """Ticks done and the time that they took."""
        started, ticks = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            with self.database.transaction():
                ticks += self.chunk()
        return ticks, time.perf_counter() - started

    def chunk(self) -> int:
        """As many zones as a turn of the product takes, read and written as it does."""
        run = self.database.execute
        zones = run(CLAIM, [self.zones]).fetchall() or run(CLAIM_ANY, [self.zones]).fetchall()
        if not zones:
            return 0
        ids = [zone[0] for zone in zones]
        agents = run(READ, [ids]).fetchall()
        columns = zip(*self._rows(agents), strict=True)
        with self.database.cursor() as cursor:
            cursor.execute(UPDATE, [list(column) for column in columns])
            self._logs(cursor, agents)
            self._memories(cursor, agents)
            self._events(cursor, Counter(agent[30] for agent in agents))
        run("UPDATE limit_zones SET due_tick = due_tick + 1, updated_at = now() WHERE id = ANY(%s)", [ids])
        return len(agents)

    def _rows(self, agents: list[Any]) -> Iterator[tuple[Any, ...]]:
        """New values in the order of UPDATE's arrays; JSON only where the product would have changed it."""
        changed = round(len(agents) * self.memories_per_tick)
        for i, a in enumerate(agents):
            json = a[21:23] if i < changed else (None, None)
            yield (a[0], a[27], *a[13:18], *a[18:21], *json, a[23], a[24], a[25], a[28] + 1, a[29] + 1)

    def _logs(self, cursor: psycopg.Cursor[Any], agents: list[Any]) -> None:
        now = datetime.now(UTC)
        with cursor.copy(COPY_LOG) as copy:
            for agent, log in zip(agents, random.choices(self.samples.logs, k=len(agents)), strict=True):  # noqa: S311
                copy.write_row((uuid7(), agent[0], log[1], agent[27] + 1, log[3], now, *log[5:]))

    def _memories(self, cursor: psycopg.Cursor[Any], agents: list[Any]) -> None:
        now, count = datetime.now(UTC), round(len(agents) * self.memories_per_tick)
        with cursor.copy(COPY_MEMORY) as copy:
            for agent, memory in zip(agents, random.choices(self.samples.memories, k=count), strict=False):  # noqa: S311
                copy.write_row(
                    (
                        uuid7(),
                        agent[0],
                        memory[0],
                        "",
                        memory[1],
                        "episodic",
                        0.4,
                        0.1,
                        "[]",
                        memory[2],
                        0,
                        now,
                        now,
                    )
                )

    def _events(self, cursor: psycopg.Cursor[Any], counts: Counter[UUID]) -> None:
        correlation = uuid7()
        last = cursor.execute(
            """INSERT INTO limit_streams AS s (name, seq) SELECT * FROM unnest(%s::text[], %s::int8[]) AS u (name, n)
               ORDER BY name ON CONFLICT (name) DO UPDATE SET seq = s.seq + excluded.seq RETURNING name, seq""",
            [[f"zone:{zone}" for zone in counts], list(counts.values())],
        ).fetchall()
        streams = {zone: (f"zone:{zone}", dict(last)[f"zone:{zone}"] - count) for zone, count in counts.items()}
        with cursor.copy(COPY_EVENT) as copy:
            for zone, count in counts.items():
                stream, first = streams[zone]
                for i, event in enumerate(random.choices(self.samples.events, k=count), 1):  # noqa: S311
                    copy.write_row((first + i, uuid7(), correlation, 1, 0, stream, *event))


def prepare(url: str) -> None:
    """Make the tables anew."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(PREPARE)


def main() -> None:
    """One process: run and print what was done."""
    url, seconds, memories_per_tick, zones = sys.argv[1:]
    ticks, took = Loop(url, float(memories_per_tick), int(zones)).run(float(seconds))
    sys.stdout.write(f"{ticks} {took}\n")


if __name__ == "__main__":
    main()

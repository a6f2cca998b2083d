"""A process that stores and searches memories, or copies ready rows as bare as can be, whenever its parent says so.

Run as `python -m thunderline.bench.memory_storer SEED` in a benchmark's environment. Reads lines of JSON `{"do": verb,
…}`, one for each method of `Storer` without an underscore, and answers each with one line.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import django
import orjson
from uuid_utils.compat import uuid7

from thunderline.bench.sentences import Sentences

BATCH = 100
"""Memories in a transaction."""
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
ROUND = timedelta(minutes=7)
"""From one memory of an agent to its next."""

_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class Storer:
    """One process with its own agents, who form memories by turns, as they would while a world ticks."""

    def __init__(self, seed: int) -> None:
        self._sentences, self._chance = Sentences(seed), random.Random(seed)  # noqa: S311
        self._memories: Iterator[Any] = iter(())
        self._prepared: list[list[Any]] = []
        self._rows: list[bytes] = []

    def begin(self, agents: Sequence[str], heavy: str | None = None, heavy_each: int = 1) -> dict[str, Any]:
        """Whose memories are stored from now on; one of them may form several at a time. Loads the embedder."""
        from thunderline.bench import memory_limit

        memory_limit.vector_of("")
        self._memories = self._formed([UUID(agent) for agent in agents], UUID(heavy) if heavy else None, heavy_each)
        return {}

    def prepare(self, count: int) -> dict[str, Any]:
        """Make memories that are to be stored next."""
        self._prepared = list(self._batches(count))
        return {}

    def store(self) -> dict[str, Any]:
        """Store what was prepared, flat out. `ms` are per memory, one figure a batch."""
        started = time.perf_counter()
        ms = [self._store(batch) for batch in self._prepared]
        return {"count": sum(map(len, self._prepared)), "seconds": time.perf_counter() - started, "ms": ms}

    def store_for(self, seconds: float, per_s: float | None = None) -> dict[str, Any]:
        """Store for so long, so many a second or flat out."""
        started, count, ms = time.perf_counter(), 0, list[float]()
        while (passed := time.perf_counter() - started) < seconds:
            if per_s is not None and passed < count / per_s:
                time.sleep(min(count / per_s, seconds) - passed)
                continue
            for batch in self._batches(BATCH):
                ms.append(self._store(batch))
                count += len(batch)
        return {"count": count, "seconds": time.perf_counter() - started, "ms": ms}

    def search_for(self, agent: str, seconds: float, per_s: float | None = None) -> dict[str, Any]:
        """Search one agent's memories for so long, so often a second or one time after the other. Milliseconds."""
        from memory import queries

        agent_id, ms = UUID(agent), list[float]()
        queries.search(agent_id, self._sentences.question(), limit=10)
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            if per_s is not None and passed < len(ms) / per_s:
                time.sleep(min(len(ms) / per_s, seconds) - passed)
                continue
            question, began = self._sentences.question(), time.perf_counter()
            queries.search(agent_id, question, limit=10)
            ms.append((time.perf_counter() - began) * 1000)
        return {"ms": ms}

    def read(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Make rows ready for `copy`: for each pair those of the first agent, to be the second one's."""
        self._rows = [row for source, guest in pairs for row in self._copied(UUID(source), UUID(guest))]
        return {}

    def copy(self) -> dict[str, Any]:
        """COPY those rows into the table of memories, as many in a transaction as `store` stores."""
        from domains import sql

        database, statement = sql.raw(), f"COPY memory_nodes ({self._columns()}) FROM STDIN (FORMAT BINARY)".encode()
        batches = [
            b"".join([_HEADER, *self._rows[start : start + BATCH], _END]) for start in range(0, len(self._rows), BATCH)
        ]
        started, ms = time.perf_counter(), list[float]()
        for batch in batches:
            began = time.perf_counter()
            with database.transaction(), database.cursor().copy(statement) as copy:
                copy.write(batch)
            ms.append((time.perf_counter() - began) * 1000 / BATCH)
        return {"count": len(self._rows), "seconds": time.perf_counter() - started, "ms": ms}

    # --- What it is made of ----------------------------------------------------------------------------------

    def _formed(self, agents: Sequence[UUID], heavy: UUID | None, heavy_each: int) -> Iterator[Any]:
        from memory.actions import NewMemory

        for turn in itertools.count():
            at, source = BEGAN + turn * ROUND, {"tick": turn}
            for agent_id in agents:
                for _ in range(heavy_each if agent_id == heavy else 1):
                    yield NewMemory(
                        agent_id, self._sentences.memory(), at=at, source=source,
                        importance=self._chance.uniform(0.3, 1.0), valence=self._chance.uniform(-1.0, 1.0),
                    )  # fmt: skip

    def _batches(self, count: int) -> Iterator[list[Any]]:
        while count > 0:
            yield list(itertools.islice(self._memories, min(BATCH, count)))
            count -= BATCH

    def _store(self, batch: list[Any]) -> float:
        """Milliseconds per memory, from the begin of the transaction to its commit."""
        from django.db import transaction

        from memory.actions import store_many

        started = time.perf_counter()
        with transaction.atomic():
            store_many(batch)
        return (time.perf_counter() - started) * 1000 / len(batch)

    def _columns(self) -> str:
        from domains import sql

        found = sql.fetch_rows(
            """SELECT string_agg(quote_ident(column_name), ', ' ORDER BY column_name NOT IN ('id', 'agent_id'),
                                 column_name = 'agent_id', ordinal_position)
               FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = 'memory_nodes' AND is_generated = 'NEVER'"""
        )
        return str(found[0][0])

    def _copied(self, source: UUID, guest: UUID) -> Iterator[bytes]:
        """An agent's rows in PostgreSQL's own binary form, under new ids, as another agent's.

        https://www.postgresql.org/docs/current/sql-copy.html: two bytes tell the number of fields, four the length of
        each; the first two fields are the ids.
        """
        from domains import sql

        query = (
            f"COPY (SELECT {self._columns()} FROM memory_nodes WHERE agent_id = '{source}') TO STDOUT (FORMAT BINARY)"
        )
        with sql.raw().cursor().copy(query.encode()) as rows:
            for data in rows:
                row = bytes(data).removeprefix(_HEADER)
                if row != _END:
                    yield b"".join([row[:6], uuid7().bytes, row[22:26], guest.bytes, row[42:]])


def main() -> None:
    """Do what the lines say until there are no more."""
    django.setup()
    storer = Storer(int(sys.argv[1]))
    for line in sys.stdin:
        words = orjson.loads(line)
        done = getattr(storer, words.pop("do"))(**words)
        sys.stdout.buffer.write(orjson.dumps(done) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

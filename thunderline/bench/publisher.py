"""A process that publishes events, or copies the same rows as bare as can be, whenever its parent says so.

Run as `python -m thunderline.bench.publisher NUMBER` in a benchmark's environment. Reads lines `publish SECONDS`,
`copy SECONDS` and `single SECONDS`, and answers each with one line of JSON. Payloads are made beforehand: making and
validating them is the caller's business, and so are the rows of the copy, which are those that were published.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import django
import orjson
from uuid_utils.compat import uuid7

BATCH = 1000
BATCHES = 20
"""Different ones, over and over."""
STREAMS = 10


class Publisher:
    """One process with its own streams, as zones have theirs."""

    def __init__(self, number: int) -> None:
        from agents.events import AgentTicked
        from domains.thunderflow.actions import NewEvent

        zones = [uuid7() for _ in range(STREAMS)]
        self.batches = [
            [
                NewEvent(
                    f"zone:{(zone := zones[n * STREAMS // BATCH])}",
                    f"zone.{zone}.agent_ticked",
                    AgentTicked(
                        agent_id=uuid7(), name=f"Agent {n}", tick_number=batch, world_tick=batch, action="explore",
                        narrative=f"Agent {n} of {number} looks around and finds a path that was not there before.",
                        mood=0.25, energy=62.5, activity="exploring", x=float(n), y=1.5, state_hash="0123456789abcdef",
                    ),
                )
                for n in range(BATCH)
            ]
            for batch in range(BATCHES)
        ]  # fmt: skip
        self.rows: list[bytes] = []

    def publish(self, seconds: float) -> dict[str, Any]:
        """Batches of a thousand, each its own transaction."""
        from django.db import transaction

        from domains.thunderflow.actions import publish_many

        batches = itertools.cycle(self.batches)

        def once() -> None:
            with transaction.atomic():
                publish_many(next(batches))

        return _repeat(once, seconds)

    def copy(self, seconds: float) -> dict[str, Any]:
        """As many rows in a transaction, ready-made to the byte."""
        from domains import sql

        database = sql.raw()
        batches = itertools.cycle(self.rows or self._read())

        def once() -> None:
            with database.transaction(), database.cursor().copy("COPY bare_events FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(next(batches))

        return _repeat(once, seconds)

    def single(self, seconds: float) -> dict[str, Any]:
        """One event alone, from the begin of its transaction to its commit. Milliseconds, sorted."""
        from django.db import transaction

        from domains.thunderflow.actions import publish

        took, events, end = [], itertools.cycle(self.batches[0]), time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            with transaction.atomic():
                publish(next(events))
            took.append((time.perf_counter() - started) * 1000)
        return {"ms": sorted(took)}

    def _read(self) -> list[bytes]:
        """Rows that were published, as PostgreSQL itself writes them for a binary COPY."""
        from domains import sql

        for number in range(BATCHES):
            query = f"COPY (SELECT * FROM events LIMIT {BATCH} OFFSET {number * BATCH}) TO STDOUT (FORMAT BINARY)"
            with sql.raw().cursor().copy(query.encode()) as copy:
                self.rows.append(b"".join(copy))
        return self.rows


def _repeat(once: Callable[[], None], seconds: float) -> dict[str, Any]:
    started, count = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < seconds:
        once()
        count += BATCH
    return {"count": count, "seconds": took}


def main() -> None:
    """Do what the lines say until there are no more."""
    django.setup()
    publisher = Publisher(int(sys.argv[1]))
    for line in sys.stdin:
        verb, seconds = line.split()
        done: Callable[[float], dict[str, Any]] = getattr(publisher, verb)
        sys.stdout.buffer.write(orjson.dumps(done(float(seconds))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

"""A process that commits events to a zone at a steady rate: `python -m thunderline.bench.zone_publisher ZONE`.

Reads lines of JSON `{"per_s", "seconds"}`, and answers each with every commit's last number and instant of return.
"""

from __future__ import annotations

import itertools
import sys
import time
from typing import Any
from uuid import UUID

import django
import orjson
from uuid_utils.compat import uuid7

COMMITS_PER_S = 50
"""At most; a commit has as many events as the rate needs."""
DIFFERENT = 1000


class Publisher:
    """Events of one zone, as its ticks tell them, made beforehand."""

    def __init__(self, zone_id: UUID) -> None:
        from agents.events import AgentTicked
        from domains.thunderflow.actions import NewEvent

        self.stream = f"zone:{zone_id}"
        self.events = [
            NewEvent(
                self.stream,
                f"zone.{zone_id}.agent_ticked",
                AgentTicked(
                    agent_id=uuid7(), name=f"Agent {n}", tick_number=n, world_tick=n, action="explore",
                    narrative=f"Agent {n} looks around and finds a path that was not there before.",
                    mood=0.25, energy=62.5, activity="exploring", x=float(n), y=1.5, state_hash="0123456789abcdef",
                ),
            )
            for n in range(DIFFERENT)
        ]  # fmt: skip

    def publish(self, per_s: float, seconds: float) -> dict[str, Any]:
        """Commit at instants set beforehand; one who is late does not wait. `commits` is a list of (seq, instant)."""
        from django.db import transaction

        from domains.thunderflow.actions import publish_many

        pace, commits = min(COMMITS_PER_S, per_s), list[tuple[int, float]]()
        endless, owed, first = itertools.cycle(self.events), 0.0, 0
        began = time.monotonic()
        for turn in range(round(pace * seconds)):
            owed += per_s / pace + 1e-9
            count, owed = int(owed), owed % 1
            time.sleep(max(0.0, began + turn / pace - time.monotonic()))
            with transaction.atomic():
                last = publish_many(list(itertools.islice(endless, count)))[self.stream]
            commits.append((last, time.monotonic()))
            first = first or last - count + 1
        return {"commits": commits, "first": first, "began": began, "ended": time.monotonic()}


def main() -> None:
    """Do what the lines say until there are no more."""
    django.setup()
    publisher = Publisher(UUID(sys.argv[1]))
    for line in sys.stdin:
        words = orjson.loads(line)
        sys.stdout.buffer.write(orjson.dumps(publisher.publish(**words)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

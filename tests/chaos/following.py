"""Subscribers of many tempers for chaos runs: a plug-in."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import ClassVar

from domains import sql
from domains.thunderflow.payloads import Payload
from domains.thunderflow.subscribers import RetryPolicy, StoredEvent, subscriber

TABLE = """
CREATE TABLE chaos_effects (n bigserial PRIMARY KEY, subscriber text, stream text, seq bigint, position bigint,
                            redelivered boolean DEFAULT false)
"""
HANGS = 8000
"""One event in so many is never come to an end with. It costs `hanging` three times its 0.7 s and the time to find it,
some five seconds in all on a busy machine: at the 350 events a second of the publishers a fifth of its time."""
RARE = 50
"""One event in so many is `chaos.rare`."""
QUICK = RetryPolicy(attempts=3, base_s=0.05, cap_s=0.2)


class Noise(Payload):
    """Something that happened."""

    topic: ClassVar[str] = "chaos.noise"

    writer: int
    number: int


class Rare(Noise):
    """Something that happens now and then: what a handler takes that buries all it gets, a few a second at best."""

    topic: ClassVar[str] = "chaos.rare"


def effect(name: str, events: Sequence[StoredEvent]) -> None:
    """A row an event."""
    rows = [(name, event.stream, event.seq, event.position, event.redelivered) for event in events]
    columns = {
        "subscriber": "text", "stream": "text", "seq": "int8", "position": "int8", "redelivered": "bool",
    }  # fmt: skip
    sql.copy("chaos_effects", columns, rows)


@subscriber(name="healthy", pattern="chaos.**", batch=100, shards=4, start="beginning", retry=QUICK)
def healthy(events: Sequence[StoredEvent]) -> None:
    """Does as it should."""
    effect("healthy", events)


@subscriber(name="moody", pattern="chaos.**", batch=50, shards=2, start="beginning",
            retry=RetryPolicy(attempts=200, base_s=0.02, cap_s=0.1))  # fmt: skip
def moody(events: Sequence[StoredEvent]) -> None:
    """Fails now and then, after it has written."""
    effect("moody", events)
    if random.random() < 0.1:
        raise RuntimeError("not in the mood")


@subscriber(name="failing", pattern="chaos.rare", batch=50, start="beginning", retry=QUICK)
def failing(events: Sequence[StoredEvent]) -> None:
    """Never does anything."""
    effect("failing", events)
    raise RuntimeError("never")


@subscriber(name="hanging", pattern="chaos.**", batch=50, start="beginning", timeout_s=0.7,
            retry=RetryPolicy(attempts=2, base_s=0.05, cap_s=0.1))  # fmt: skip
def hanging(events: Sequence[StoredEvent]) -> None:
    """Does as it should, but for one event in a few thousand, over which it never comes to an end."""
    effect("hanging", events)
    if any(hangs(event) for event in events):
        time.sleep(60)


def hangs(event: StoredEvent) -> bool:
    return event.payload["number"] % HANGS == 7

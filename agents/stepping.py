"""Ticking one world here, in this process: for scripts, and when nothing else runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.engine import loop
from domains.thunderflow import queries as thunderflow
from zones import queries as zones

SLICE_S = 0.5


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened."""

    tick: int
    zone: str
    agent: str | None
    """None: the zone did it."""
    text: str


def run(name: str, *, target: int, moved: Callable[[int], object] = lambda tick: None) -> Any:
    """Tick a world until its clock stands at `target` with nothing left to do. Returns the world.

    Others may do the same meanwhile. Ends early when somebody pauses the world. `moved` hears where the clock stands.
    Raises: zones.errors.NotFound when the world is deleted.
    """
    while True:
        world = zones.world(name)
        stint = loop.run(seconds=SLICE_S, world_id=world.pk)
        world = zones.world(name)
        moved(world.tick)
        if world.tick >= min(target, world.target_tick) and not stint.exhausted:
            return world


def told(world_id: UUID, *, after: int, ticks: tuple[int, int], limit: int) -> tuple[list[Told], int]:
    """What happened in a world from tick `ticks[0]` to `ticks[1]`, the last `limit` in order, and how many in all.

    `after` is a position of the log before it.
    """
    names = {f"zone:{zone.pk}": zone.name for zone in zones.zones(world_id)}
    last: deque[Told] = deque(maxlen=limit)
    count = 0
    while True:
        events, position = thunderflow.read(after=after, pattern="zone.**")
        for one in _tellings(events, names):
            if ticks[0] <= one.tick <= ticks[1]:
                last.append(one)
                count += 1
        if not events or position == after:
            return list(last), count
        after = position


def _tellings(events: Iterable[thunderflow.StoredEvent], names: dict[str, str]) -> Iterable[Told]:
    for event in events:
        text = event.payload.get("narrative")
        if text and event.stream in names:
            tick = event.payload["world_tick"] if "world_tick" in event.payload else event.payload["tick"]
            yield Told(tick, names[event.stream], event.payload.get("name"), text)

"""The graph's share of upkeep: linking what is new, and fading what was left alone, for as long as there is time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domains import sql
from memory.graph import actions, worlds
from memory.graph.entities import Known

WAITING = "SELECT EXISTS (SELECT 1 FROM memory_unlinked)"


@dataclass(slots=True)
class Done:
    """What one stint did. `more`: there was no time for all."""

    memories: int = 0
    mentions: int = 0
    edges: int = 0
    faded: int = 0
    removed: int = 0
    more: bool = False


def waiting() -> bool:
    """Whether memories wait to be linked. One query, whatever their number."""
    return bool(sql.fetch_rows(WAITING)[0][0])


def run(
    *, now: datetime, seconds: float, known: Known = worlds.known, clock: Callable[[], float] = time.monotonic
) -> Done:
    """Link, then fade, in steps of a transaction each; no step begins after `seconds`. Safe to run twice at once."""
    until, done = clock() + seconds, Done()
    while (linked := actions.link_new(known=known)).memories:
        done.memories += linked.memories
        done.mentions += linked.mentions
        done.edges += linked.edges
        if clock() >= until:
            done.more = True
            return done
    while (faded := actions.fade(now)) != actions.Faded():
        done.faded += faded.faded
        done.removed += faded.removed
        if clock() >= until:
            done.more = True
            break
    return done

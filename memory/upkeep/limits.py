"""What the vault's upkeep holds to: figures of the settings, and those that nobody needs to change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

BY = "domain:thundervault"
"""Who removes and sums up."""
COMPARED = 500
"""Memories that one step compares."""
LEAST_OF_EPISODE, MOST_OF_EPISODE = 5, 24
"""Memories of an episode that is summed up. Fewer are as short as their summary; more are cut into several, so that
the edges to them stay below the most that a memory may have (`graph.rules.MOST_EDGES`)."""
EPISODES = 10
"""That one visit sums up."""
REMOVED = 1_000
"""Memories that one step removes."""
WEIGHTY = 0.9
"""Importance from which a memory is never removed."""
LEASE = timedelta(minutes=5)
"""A visit takes less; when its process has died, another one begins after it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What operators set."""

    budget: int
    floor: float
    half_life: timedelta
    summarise_after: timedelta
    every: timedelta


def limits() -> Limits:
    """As they are set."""
    of = settings.MEMORY
    return Limits(
        budget=int(of["budget"]),
        floor=of["floor"],
        half_life=timedelta(days=of["half_life_days"]),
        summarise_after=timedelta(days=of["summarise_after_days"]),
        every=timedelta(seconds=of["every_s"]),
    )

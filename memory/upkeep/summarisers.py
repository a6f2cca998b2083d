"""The contract of those who sum up episodes in words of their own. One may be registered; what it leaves, is extracted.

Memory knows no models: `agents.minds.summaries` registers one for agents who think with a model. It is asked outside
of transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from memory.upkeep import extract

EXTRACT = "extract"
LONGEST = 4_000
"""Characters of a summary."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One memory of an episode."""

    id: UUID
    at: datetime
    text: str
    importance: float
    valence: float


@dataclass(frozen=True, slots=True)
class Episode:
    """Memories of one agent that belong together, oldest first; at least one."""

    agent_id: UUID
    moments: tuple[Moment, ...]

    @property
    def begins_at(self) -> datetime:
        """When its first memory is of."""
        return self.moments[0].at

    @property
    def ends_at(self) -> datetime:
        """When its last memory is of."""
        return self.moments[-1].at


@dataclass(frozen=True, slots=True)
class Told:
    """A summary and who made it, the sort first (`model x`). `later`: there is none now, and may be the next time."""

    text: str = ""
    by: str = EXTRACT
    later: bool = False


class Summariser(Protocol):
    """Sums up episodes of one agent."""

    def summarise(self, agent_id: UUID, episodes: Sequence[Episode]) -> Sequence[Told | None]:
        """For each in order what is told of it; None: it is not for this one to do. Never raises for a model's fault.

        Called outside of transactions. Takes less than the lease of a visit (`limits.LEASE`).
        """
        ...


_registered: list[Summariser] = []


def register(summariser: Summariser) -> None:
    """Have it asked from now on, instead of another one."""
    _registered[:] = [summariser]


def unregister(summariser: Summariser) -> None:
    """Have nobody asked, if it was this one."""
    if summariser in _registered:
        _registered.clear()


def summarise(agent_id: UUID, episodes: Sequence[Episode], *, ask: bool = True) -> list[Told]:
    """What is told of each episode, in order. `ask`: whether somebody else than `extract` may be asked."""
    if not episodes:
        return []
    told: Sequence[Told | None] = [None] * len(episodes)
    if ask and _registered:
        told = _registered[0].summarise(agent_id, episodes)
    return [one or extracted(episode) for one, episode in zip(told, episodes, strict=True)]


def extracted(episode: Episode) -> Told:
    """Without any model: never empty."""
    said = [extract.Said(moment.text, moment.importance) for moment in episode.moments]
    return Told(extract.summary(said) or " ".join(moment.text for moment in episode.moments)[:LONGEST])

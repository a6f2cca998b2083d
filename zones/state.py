"""A zone while it is being ticked: what was read under its lock, changed in memory, written back once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

KEPT_HAPPENINGS = 32


@dataclass(frozen=True, slots=True)
class Way:
    """An open way to a neighbouring zone."""

    zone_id: UUID
    ordinal: int
    name: str
    permeability: float


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that those present can notice. `by` and `to` are agents' ordinals; `by` is None for the zone."""

    tick: int
    kind: str
    text: str
    importance: float = 0.2
    valence: float = 0.0
    by: int | None = None
    to: int | None = None


@dataclass(slots=True)
class ZoneState:
    """One locked zone at world tick `tick`. Resources are 0–100 and never leave that range."""

    id: UUID
    world_id: UUID
    world_name: str
    seed: int
    tick: int
    ordinal: int
    name: str
    capacity: int
    agent_count: int
    movement_cost: float
    interaction_range: float
    regeneration: dict[str, float]
    environment_interval: int
    environment_due: int
    properties: dict[str, float]
    resources: dict[str, float]
    entropy: float
    thermal: float
    diffusing: bool
    happenings: list[Happening]
    ways: list[Way] = field(default_factory=list)
    fresh: list[Happening] = field(default_factory=list)
    """What has happened in this transaction; perceived from the next world tick on."""
    due_tick: int = 0
    """First world tick at which something is due, as it was when the zone was locked."""
    changes: dict[str, float] = field(default_factory=dict)
    """Net change of each resource in this transaction."""

    @property
    def stream(self) -> str:
        """The zone's stream in the event log."""
        return f"zone:{self.id}"

    def take(self, resource: str, amount: float) -> float:
        """Take up to `amount` of a resource. Returns how much there was of it."""
        return -self._change(resource, -min(amount, self.resources[resource]))

    def give(self, resource: str, amount: float) -> float:
        """Add up to `amount`. Returns how much fitted below 100."""
        return self._change(resource, min(amount, 100.0 - self.resources[resource]))

    def _change(self, resource: str, amount: float) -> float:
        before = self.resources[resource]
        after = round(min(100.0, max(0.0, before + amount)), 4)
        self.resources[resource] = after
        if after != before:
            self.changes[resource] = round(self.changes.get(resource, 0.0) + after - before, 4)
        return after - before

    def tell(self, happening: Happening) -> None:
        """Let those present notice something from the next world tick on."""
        self.fresh.append(happening)

    def kept(self) -> list[list[Any]]:
        """The happenings to store: the newest, bounded; those of one tick that mattered least go first."""
        by_weight = sorted(self.fresh, key=lambda h: -max(h.importance, abs(h.valence)))[:KEPT_HAPPENINGS]
        chosen = set(map(id, by_weight))
        everything = self.happenings + [h for h in self.fresh if id(h) in chosen]
        return [pack(h) for h in everything[-KEPT_HAPPENINGS:]]


def pack(h: Happening) -> list[Any]:
    """A happening as a JSON array, in the order of its fields."""
    return [h.tick, h.kind, h.text, h.importance, h.valence, h.by, h.to]


def unpack(items: list[list[Any]]) -> list[Happening]:
    """The inverse of `pack`, over a list."""
    return [Happening(*item) for item in items]

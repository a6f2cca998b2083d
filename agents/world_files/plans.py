"""What loading would do, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agents.specs import ModSpec
from agents.world_files.mistakes import Path
from agents.world_files.schema import AgentEntry, WorldFile, ZoneEntry


@dataclass(frozen=True, slots=True)
class Change:
    """One value that would change in something that is there."""

    kind: str
    """`world`, `zone`, `way` or `agent`."""
    name: str
    field: str
    old: Any
    new: Any


@dataclass(slots=True)
class Plan:
    """All that loading would do; empty lists when there is nothing to do."""

    file: WorldFile
    world_id: UUID | None = None
    """None: the world is made."""
    world: dict[str, Any] = field(default_factory=dict)
    new_zones: list[ZoneEntry] = field(default_factory=list)
    zones: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    ways: dict[tuple[str, str], float] = field(default_factory=dict)
    cut: list[tuple[str, str]] = field(default_factory=list)
    new_agents: list[AgentEntry] = field(default_factory=list)
    agents: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    """New values of columns by agent, `goals` among them."""
    mods: list[tuple[UUID, ModSpec]] = field(default_factory=list)
    ended_mods: list[tuple[UUID, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    left_zones: list[str] = field(default_factory=list)
    left_agents: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    """Names of what would start differently after a reset."""
    refusals: list[tuple[Path, str]] = field(default_factory=list)
    reset: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        made = self.new_zones or self.new_agents or self.world_id is None
        return not (made or self.changes or self.reset)

    def note(self, kind: str, name: str, what: str, old: Any, new: Any) -> None:
        """Add a change for people to read."""
        self.changes.append(Change(kind, name, what, old, new))

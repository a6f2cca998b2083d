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
    reset: bool = False
    """The world begins anew: all of the file is made, nothing is compared."""
    world: dict[str, Any] = field(default_factory=dict)
    new_owner: Any = None
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
    """For people to read, in the order of the file."""
    left_zones: list[str] = field(default_factory=list)
    left_agents: list[str] = field(default_factory=list)
    """There and not in the file: they stay as they are."""
    starts: list[str] = field(default_factory=list)
    """Names of what would start differently, the next time that the world is reset."""
    refusals: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def action(self) -> str:
        """`create`, `reset`, `update` or `nothing`."""
        if self.world_id is None:
            return "create"
        if self.reset:
            return "reset"
        return "update" if self.new_zones or self.new_agents or self.changes else "nothing"

    def note(self, kind: str, name: str, what: str, old: Any, new: Any) -> None:
        """Add a change for people to read."""
        self.changes.append(Change(kind, name, what, old, new))

"""Which columns the fields of a world file are, and which of them a file states. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.models import TRAITS
from agents.specs import AgentSpec
from agents.world_files.schema import AgentEntry, WorldFile, ZoneEntry
from zones import queries as zones

WORLD = ("description", "access", "rate", "seed")
_ZONE_RULES = ("movement_cost", "interaction_range", "regeneration", "spawning", "environment_interval")
_EDITABLE = frozenset(AgentSpec.EDITABLE)


def world_start(world: WorldFile) -> dict[str, Any]:
    """All columns of a new world but for its name."""
    return {name: getattr(world, name) for name in (*WORLD, "status")}


def zone_rules(zone: ZoneEntry) -> dict[str, Any]:
    """The columns of a zone that loading sets."""
    return {
        "description": zone.description,
        "capacity": zone.capacity,
        "permissions": zones.permission_bits(zone.permissions),
        "closed": zone.closed,
        **{name: getattr(zone.rules, name) for name in _ZONE_RULES},
        "regeneration": zone.rules.regeneration.model_dump(exclude_none=True),
    }


def zone_start(zone: ZoneEntry) -> dict[str, Any]:
    """All columns of a new zone but for its order and time."""
    lives = {**zone.resources.model_dump(), **zone.properties.model_dump()}
    return {"name": zone.name, **zone_rules(zone), **lives, "entropy": zone.entropy, "thermal": zone.thermal}


def stated_in_world(world: WorldFile | None) -> set[str]:
    """Columns of the world that a file states; none of no file."""
    return set(WORLD) & world.model_fields_set if world else set()


def stated_in_zone(zone: ZoneEntry | None) -> set[str]:
    """Columns of the zone that its entry states; none of no entry."""
    if zone is None:
        return set()
    own = zone.model_fields_set & {"description", "capacity", "permissions", "closed"}
    return own | zone.rules.model_fields_set


def stated_in_agent(agent: AgentEntry | None) -> set[str]:
    """Columns of the agent that its entry states; none of no entry."""
    if agent is None:
        return set()
    return (agent.model_fields_set & _EDITABLE) | agent.traits.model_fields_set


def shown(name: str) -> str:
    """A column as the file calls it: `traits.openness`, `rules.movement_cost`."""
    if name in TRAITS:
        return f"traits.{name}"
    return f"rules.{name}" if name in _ZONE_RULES else name


def ways(zone_entries: Iterable[ZoneEntry]) -> dict[tuple[str, str], float]:
    """Permeability by (from, to). A way leads back as it leads there, unless the other zone states its own."""
    stated = {(zone.name, way.zone): way.permeability for zone in zone_entries for way in zone.neighbours}
    back = {(to, start): permeability for (start, to), permeability in stated.items()}
    return {**back, **stated}


def differing(
    wanted: Mapping[str, Any], lives: Mapping[str, Any], names: Iterable[str]
) -> Iterator[tuple[str, Any, Any]]:
    """(column, old, new) of those among `names` that differ, in the order of `wanted`."""
    ruled = set(names)
    for name, new in wanted.items():
        if name in ruled and lives[name] != new:
            yield name, lives[name], new

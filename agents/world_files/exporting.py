"""A living world as a world file: as it stands now, without its ticks and memories.

Loading the file into the same world changes nothing; loading it elsewhere begins a world from here. Values that are
what they would be anyway are left out. Archived agents stay behind; who is suspended is written like everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import yaml

from agents.models import TRAITS, Agent, Lifecycle, Mod
from agents.specs import AgentSpec
from agents.world_files import columns
from agents.world_files.planning_agents import spec_of
from agents.world_files.reading import PLAIN_WORDS, no_collector
from agents.world_files.schema import AgentEntry, WorldFile, ZoneEntry
from zones import queries as zones

_PLAIN = [name for name in AgentSpec.EDITABLE if name not in TRAITS]
_RULES = ("movement_cost", "interaction_range", "regeneration", "spawning", "environment_interval")


def export(world: Any) -> WorldFile:
    """The file of a world. Five queries, whatever the size."""
    rows = list(zones.zones(world.pk))
    names = {row.pk: row.name for row in rows}
    ways = {(names[one], names[other]): p for one, other, p in zones.ways(world.pk)}
    order = list(names.values())
    fields = {name: getattr(world, name) for name in (*columns.WORLD, "status")}
    return WorldFile(
        name=world.name,
        **fields,
        zones=[_zone(row, _ways_from(row.name, order, ways)) for row in rows],
        agents=_agents(world.pk, names),
    )


def _ways_from(name: str, order: Sequence[str], ways: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """The ways that a zone must state: those to later zones, and those back that are not as open as the way there."""
    earlier = set(order[: order.index(name)])
    found = [(other, ways[name, other]) for other in order if (name, other) in ways]
    return [
        {"zone": other, "permeability": permeability}
        for other, permeability in found
        if other not in earlier or ways.get((other, name)) != permeability
    ]


def _zone(row: Any, neighbours: list[dict[str, Any]]) -> ZoneEntry:
    return ZoneEntry.model_validate(
        {
            "name": row.name,
            "description": row.description,
            "capacity": row.capacity,
            "permissions": zones.permission_names(row.permissions),
            "closed": row.closed,
            "rules": {name: getattr(row, name) for name in _RULES},
            "resources": row.resources,
            "properties": row.properties,
            "entropy": row.entropy,
            "thermal": row.thermal,
            "neighbours": neighbours,
        }
    )


def _agents(world_id: UUID, zone_names: Mapping[UUID, str]) -> list[AgentEntry]:
    mods: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for mod in Mod.objects.filter(agent__world_id=world_id, active=True).order_by("name"):
        mods[mod.agent_id].append(spec_of(mod).model_dump())
    rows = Agent.objects.filter(world_id=world_id).exclude(lifecycle=Lifecycle.ARCHIVED).order_by("ordinal")
    return [_agent(row, zone_names[row.zone_id], mods.get(row.pk, [])) for row in rows]


def _agent(row: Agent, zone: str, mods: list[dict[str, Any]]) -> AgentEntry:
    return AgentEntry.model_validate(
        {
            "name": row.name,
            "zone": zone,
            **{name: getattr(row, name) for name in _PLAIN},
            "traits": row.traits,
            "stats": row.stats,
            "mood": row.mood,
            "goals": row.goals,
            "mods": mods,
            "position": row.position,
        }
    )


class _Dumper(yaml.CSafeDumper):
    """Small mappings go on one line. An alias would puzzle who reads the file.

    Text is quoted when YAML 1.1 or 1.2 takes it for something else: both kinds of readers are about.
    """

    yaml_implicit_resolvers = {
        first: [*yaml.CSafeDumper.yaml_implicit_resolvers.get(first, []), *PLAIN_WORDS.get(first, [])]
        for first in yaml.CSafeDumper.yaml_implicit_resolvers.keys() | PLAIN_WORDS.keys()
    }

    def ignore_aliases(self, data: Any) -> bool:
        """Never an alias."""
        return True


def _mapping(dumper: _Dumper, data: dict[str, Any]) -> yaml.MappingNode:
    plain = all(isinstance(value, bool | int | float) or len(str(value)) < 40 for value in data.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=plain and len(data) <= 5)


_Dumper.add_representer(dict, _mapping)


def to_yaml(world: WorldFile | Mapping[str, Any]) -> str:
    """The text of a file, or of a stored source."""
    with no_collector():
        data = world.model_dump(exclude_defaults=True) if isinstance(world, WorldFile) else dict(world)
        return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)

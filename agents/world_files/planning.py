"""What loading a world file would change. Reads, compares, writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.world_files import columns
from agents.world_files.planning_agents import plan_agents
from agents.world_files.plans import Plan
from agents.world_files.schema import WorldFile, ZoneEntry
from zones import queries as zones


def plan(file: WorldFile, *, world: Any, owner: Any = None) -> Plan:
    """Compare a file with the world of its name (None: there is none). Five queries, whatever the size."""
    if world is None:
        made = Plan(file, new_zones=list(file.zones), ways=columns.ways(file.zones), new_agents=list(file.agents))
        made.new_owner = owner
        return made
    base = _base(world)
    made = Plan(file, world_id=world.pk)
    there = {zone.name: zone for zone in zones.zones(world.pk)}
    _plan_world(made, base, world, owner)
    _plan_zones(made, base, there)
    _plan_ways(made, base, there)
    plan_agents(made, base, world.pk)
    _check_room(made, there)
    return made


def _base(world: Any) -> WorldFile:
    """What was loaded the last time. One that no longer fits the schema counts as nothing."""
    try:
        return WorldFile.model_validate(zones.source(world.pk))
    except ValidationError:
        return WorldFile(name=world.name)


def _plan_world(made: Plan, base: WorldFile, world: Any, owner: Any) -> None:
    file = made.file
    lives = {name: getattr(world, name) for name in columns.WORLD}
    stated = columns.stated_in_world(file) | columns.stated_in_world(base)
    for name, old, new in columns.differing(columns.world_start(file), lives, stated):
        made.world[name] = new
        made.note("world", file.name, name, old, new)
    if owner is not None and owner.pk != world.owner_id:
        made.new_owner = owner
        made.note("world", file.name, "owner", str(world.owner) if world.owner else None, str(owner))
    if "seed" in made.world and world.tick:
        message = f"the world has lived {world.tick} ticks by the seed {world.seed}; only --reset can change it"
        made.refusals.append((("seed",), message))


def _plan_zones(made: Plan, base: WorldFile, there: Mapping[str, Any]) -> None:
    before = {zone.name: zone for zone in base.zones}
    for zone in made.file.zones:
        if (row := there.get(zone.name)) is None:
            made.new_zones.append(zone)
            continue
        _plan_zone(made, zone, before.get(zone.name), row)
        if zone.name in before and _start(zone) != _start(before[zone.name]):
            made.starts.append(zone.name)
    named = {zone.name for zone in made.file.zones}
    made.left_zones = [name for name in there if name not in named]


def _plan_zone(made: Plan, zone: ZoneEntry, before: ZoneEntry | None, row: Any) -> None:
    rules = columns.zone_rules(zone)
    lives = {name: getattr(row, name) for name in rules}
    stated = columns.stated_in_zone(zone) | columns.stated_in_zone(before)
    for name, old, new in columns.differing(rules, lives, stated):
        made.zones.setdefault(row.pk, {})[name] = new
        if name == "permissions":
            old, new = zones.permission_names(old), zones.permission_names(new)
        if name == "regeneration":
            for resource in sorted(old.keys() | new.keys()):
                if old.get(resource) != new.get(resource):
                    made.note("zone", zone.name, f"rules.{name}.{resource}", old.get(resource), new.get(resource))
            continue
        made.note("zone", zone.name, columns.shown(name), old, new)


def _start(zone: ZoneEntry) -> tuple[object, ...]:
    return zone.resources, zone.properties, zone.entropy, zone.thermal


def _plan_ways(made: Plan, base: WorldFile, there: Mapping[str, Any]) -> None:
    """A zone that states its neighbours has no others among the zones of the file."""
    names = {zone.pk: name for name, zone in there.items()}
    lives = {(names[one], names[other]): p for one, other, p in zones.ways(made.world_id)} if made.world_id else {}
    wanted, before = columns.ways(made.file.zones), columns.ways(base.zones)
    ruled = {zone.name for zone in made.file.zones if "neighbours" in zone.model_fields_set}
    named = {zone.name for zone in made.file.zones}
    made.ways = {pair: p for pair, p in wanted.items() if lives.get(pair) != p}
    for pair in lives.keys() - wanted.keys():
        if named.issuperset(pair) and (pair in before or ruled.intersection(pair)):
            made.cut.append(pair)
    for pair, permeability in made.ways.items():
        made.note("way", " → ".join(pair), "permeability", lives.get(pair), permeability)
    for pair in sorted(made.cut):
        made.note("way", " → ".join(pair), "permeability", lives[pair], None)


def _check_room(made: Plan, there: Mapping[str, Any]) -> None:
    """Everybody must find a place who is there or is to be born."""
    born = Counter(agent.zone for agent in made.new_agents)
    for i, zone in enumerate(made.file.zones):
        if (row := there.get(zone.name)) is None:
            continue
        capacity = made.zones.get(row.pk, {}).get("capacity", row.capacity)
        here, new = row.agent_count, born[zone.name]
        if here + new > capacity:
            coming = f" and {new} new ones come" if new else ""
            message = f"there is place for {capacity}; {here} agents are here{coming}"
            made.refusals.append((("zones", i, "capacity"), message))

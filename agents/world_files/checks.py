"""What must hold across a whole world file: names that are used must exist, and be there once. Pure.

Works on the plain values, whatever else is wrong with them, so that all mistakes come to light together. What is of
the wrong sort is passed over here: the schema tells of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents import behaviours, reasoners
from agents.world_files.mistakes import AT_KEY, Path, meant

Found = tuple[Path, str]


def whole(data: Any) -> Iterator[Found]:
    """Every mistake, by its path."""
    zones = _entries(data, "zones")
    agents = _entries(data, "agents")
    names = {name for _, zone in zones if (name := _text(zone, "name"))}
    crowd = Counter(_text(agent, "zone") for _, agent in agents)
    yield from _twice(zones)
    yield from _twice(agents)
    for path, zone in zones:
        yield from _neighbours(path, zone, names)
        yield from _capacity(path, zone, crowd)
    kinds, actions = reasoners.kinds(), [behaviour.name for behaviour in behaviours.all_behaviours()]
    for path, agent in agents:
        yield from _home(path, agent, names)
        yield from _reasoner(path, agent, kinds)
        yield from _twice(_entries(agent, "goals", path))
        yield from _mods(_entries(agent, "mods", path), actions)


def _entries(data: Any, field: str, path: Path = ()) -> list[tuple[Path, Mapping[str, Any]]]:
    """The mappings in a list, each with its path."""
    found = data.get(field) if isinstance(data, dict) else None
    if not isinstance(found, list):
        return []
    return [((*path, field, i), entry) for i, entry in enumerate(found) if isinstance(entry, dict)]


def _text(data: Mapping[str, Any], field: str) -> str | None:
    value = data.get(field)
    return value.strip() if isinstance(value, str) else None


def _twice(entries: Sequence[tuple[Path, Mapping[str, Any]]]) -> Iterator[Found]:
    seen: dict[str, Path] = {}
    for path, entry in entries if len(entries) > 1 else ():
        if (name := _text(entry, "name")) is None:
            continue
        if name in seen:
            yield (*path, "name"), f"{name!r} is the name of {path[-2]}[{seen[name][-1]}] already"
        seen.setdefault(name, path)


def _neighbours(path: Path, zone: Mapping[str, Any], names: set[str]) -> Iterator[Found]:
    seen: set[str] = set()
    for way_path, way in _entries(zone, "neighbours", path):
        if (there := _text(way, "zone")) is None:
            continue
        if there == _text(zone, "name"):
            yield (*way_path, "zone"), "a zone is no neighbour of itself"
        elif there not in names:
            yield (*way_path, "zone"), f"there is no zone {there!r} in this file; {meant(there, names)}"
        elif there in seen:
            yield (*way_path, "zone"), f"{there!r} is named twice"
        seen.add(there)


def _capacity(path: Path, zone: Mapping[str, Any], crowd: Mapping[str | None, int]) -> Iterator[Found]:
    capacity, here = zone.get("capacity", 100), crowd.get(_text(zone, "name"), 0)
    if type(capacity) is int and here > capacity:
        yield (*path, "capacity"), f"there is place for {capacity}, and {here} agents of this file live here"


def _home(path: Path, agent: Mapping[str, Any], names: set[str]) -> Iterator[Found]:
    if (zone := _text(agent, "zone")) is not None and zone not in names:
        yield (*path, "zone"), f"there is no zone {zone!r} in this file; {meant(zone, names)}"


def _reasoner(path: Path, agent: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[Found]:
    if (kind := _text(agent, "reasoner")) is not None and kind not in kinds:
        yield (*path, "reasoner"), f"there is no reasoner of kind {kind!r}; {meant(kind, kinds)}"


def _mods(mods: Sequence[tuple[Path, Mapping[str, Any]]], actions: Sequence[str]) -> Iterator[Found]:
    yield from _twice(mods)
    for path, mod in mods:
        effects = mod.get("effects")
        weights = effects.get("action_weights") if isinstance(effects, dict) else None
        for action in weights if isinstance(weights, dict) else ():
            if action not in actions:
                message = f"there is no action {action!r}; {meant(action, actions)}"
                yield (*path, "effects", "action_weights", action, AT_KEY), message

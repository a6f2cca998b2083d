"""Applying plans: loading, resetting and deleting worlds, each whole in one transaction.

The world and then its zones, by id, are locked first: nothing ticks in between, and what was planned is what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import actions
from agents.world_files import columns, rows
from agents.world_files.planning import plan
from agents.world_files.plans import Plan
from agents.world_files.reading import Document, from_source, no_collector
from agents.world_files.schema import AgentEntry, WorldFile
from domains.thunderflow.context import acting
from zones import queries as zones
from zones.actions import places, worlds
from zones.errors import Invalid

BATCH = 1000
"""Agents made at once; a progress bar moves as often."""

Progress = Callable[[int], object]


def preview(document: Document, *, owner: Any = None, reset: bool = False) -> Plan:
    """What `load` would do. Raises: BadFile when it would refuse."""
    with no_collector():
        return _planned(document, zones.worlds().filter(name=document.world.name).first(), owner, reset)


def load(
    document: Document, *, by: str, owner: Any = None, reset: bool = False, progress: Progress | None = None
) -> Plan:
    """Make the world of a file, or change it to what the file says; with `reset` it begins anew from this file.

    `progress` is told how many agents have been made. Raises: BadFile; nothing is changed then.
    """
    with no_collector(), transaction.atomic(durable=True), acting(actor=by):
        world = worlds.lock(document.world.name)
        made = _planned(document, world, owner, reset)
        if world is None:
            _create(document.world, owner, by, progress)
        elif reset:
            _begin_anew(world, document.world, by, progress, **_owned(made))
        else:
            _change(made, world, by, progress)
    return made


def reset(name: str, *, by: str, progress: Progress | None = None) -> WorldFile:
    """Return a world to the file that it was loaded from: tick 0, its agents newborn, nothing remembered.

    Raises: NotFound, Invalid when it was made by hand, BadFile when its source no longer fits the schema.
    """
    with no_collector(), transaction.atomic(durable=True), acting(actor=by):
        world = _locked(name)
        source = zones.source(world.pk)
        if not source:
            raise Invalid(f"{name} was made by hand and has no file to return to; export it and load that with --reset")
        document = from_source(source, name=name)
        _begin_anew(world, document.world, by, progress)
    return document.world


def delete(name: str, *, by: str) -> int:
    """Delete a world with all that lives and is remembered in it. Returns how many agents it had. Raises: NotFound."""
    with transaction.atomic(durable=True), acting(actor=by):
        world = _locked(name)
        count = actions.delete_all(world.pk)
        worlds.delete(world.pk)
    return count


def _locked(name: str) -> Any:
    world = worlds.lock(name)
    return world if world is not None else zones.world(name)  # which raises NotFound with a hint


def _planned(document: Document, world: Any, owner: Any, reset: bool) -> Plan:
    made = plan(document.world, world=world, owner=owner)
    if reset and world is not None:
        file = document.world
        made = Plan(
            file, world_id=world.pk, reset=True, new_owner=made.new_owner, new_zones=list(file.zones),
            ways=columns.ways(file.zones), new_agents=list(file.agents),
        )  # fmt: skip
    if made.refusals:
        raise document.refuse(made.refusals)
    return made


def _owned(made: Plan) -> dict[str, Any]:
    return {"owner": made.new_owner} if made.new_owner is not None else {}


def _create(file: WorldFile, owner: Any, by: str, progress: Progress | None) -> None:
    world = worlds.create(name=file.name, by=owner, **columns.world_start(file))
    made = places.create_many(world, [columns.zone_start(zone) for zone in file.zones])
    _people(world, file, made, file.agents, by, progress)


def _begin_anew(world: Any, file: WorldFile, by: str, progress: Progress | None, **fields: Any) -> None:
    actions.delete_all(world.pk)
    worlds.reset(world, **columns.world_start(file), **fields)
    made = places.begin_anew(world, [columns.zone_start(zone) for zone in file.zones])
    _people(world, file, made, file.agents, by, progress)


def _people(
    world: Any, file: WorldFile, made: Sequence[Any], agents: Sequence[AgentEntry], by: str, progress: Progress | None
) -> None:
    """Ways, agents and the source of a world that has just got its zones."""
    ids = {zone.name: zone.pk for zone in made}
    places.set_ways((ids[one], ids[other], p) for (one, other), p in columns.ways(file.zones).items())
    _make_agents(world, ids, agents, by, progress)
    _keep(world, file)


def _change(made: Plan, world: Any, by: str, progress: Progress | None) -> None:
    if fields := made.world | _owned(made):
        worlds.edit(world, **fields)
    if made.zones:
        places.edit_many(made.zones)
    if made.new_zones:
        places.create_many(world, [columns.zone_start(zone) for zone in made.new_zones])
    ids = {zone.name: zone.pk for zone in zones.zones(world.pk)}
    places.set_ways((ids[one], ids[other], p) for (one, other), p in made.ways.items())
    places.cut_ways((ids[one], ids[other]) for one, other in made.cut)
    rows.edit(made.agents, world=world, by=by)
    rows.change_mods(made.mods, made.ended_mods, world=world, by=by)
    if "seed" in made.world:
        world.seed = made.world["seed"]
        rows.scatter(world, [agent.name for agent in made.file.agents if agent.position is None])
    _make_agents(world, ids, made.new_agents, by, progress)
    _keep(world, made.file)


def _make_agents(
    world: Any, ids: dict[str, UUID], agents: Sequence[AgentEntry], by: str, progress: Progress | None
) -> None:
    for start in range(0, len(agents), BATCH):
        batch = agents[start : start + BATCH]
        actions.create_many([(ids[agent.zone], agent) for agent in batch], world_id=world.pk, by=by, founding=True)
        if progress:
            progress(len(batch))


def _keep(world: Any, file: WorldFile) -> None:
    worlds.keep_source(world.pk, file.model_dump(mode="json", exclude_unset=True))

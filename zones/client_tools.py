"""What people's programs can ask of worlds and zones, and how they make zones."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from zones import queries
from zones.actions import places, worlds
from zones.models import World, Zone

MOST_LISTED = 200
LONGEST_WAIT_S = 60.0
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


# --- Whom and what is meant ----------------------------------------------------------------------------------


def world_meant(name_or_id: str, caller: Caller) -> World:
    """A world that the caller may see. Raises: ToolError, which names those that it can mean."""
    found = queries.visible_world(name_or_id, caller.user)
    if found is None:
        raise ToolError("world_not_found", f"there is no world {name_or_id!r} that you may see; {_known(caller.user)}")
    return found


def _known(user: Any) -> str:
    names = list(queries.worlds(user).values_list("name", flat=True)[:10])
    return f"there are {', '.join(names)}" if names else "you may see none yet"


def zone_meant(name_or_id: str, world: str | None, caller: Caller) -> Zone:
    """A zone that the caller may see. Raises: ToolError, which says what to do instead."""
    world_id = world_meant(world, caller).pk if world else None
    rows = queries.visible_zones(caller.user, world_id=world_id)
    found = list(queries.visible_zones(caller.user, name_or_id=name_or_id, world_id=world_id)[:2])
    if len(found) > 1:
        raise ToolError("ambiguous", f"several worlds have a zone {name_or_id!r}: give `world`, or the zone's id")
    if not found:
        near = get_close_matches(name_or_id, rows.values_list("name", flat=True)[:10_000], n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "zone_list tells which there are"
        raise ToolError("zone_not_found", f"there is no zone {name_or_id!r} that you may see; {hint}")
    return found[0]


# --- Looking -------------------------------------------------------------------------------------------------


class WorldsWanted(Request):
    """No arguments."""


class WorldShown(Reply):
    """A world at a glance."""

    id: UUID
    name: str
    description: str
    status: str
    """running or paused"""
    tick: int
    """Where its clock stands."""
    target_tick: int
    """How far it may go just now."""
    rate: float
    """World ticks a heartbeat."""
    yours_to_steer: bool


class Worlds(Reply):
    """Worlds, by name."""

    worlds: list[WorldShown]
    more: bool
    """Whether there are more than are listed."""


@tool(
    name="world_list",
    description="List the worlds that you may see, with their clocks.",
    capability="worlds:read",
    output=Worlds,
    for_people=Conduct("List worlds", read_only=True, idempotent=True),
)
def world_list(_wanted: WorldsWanted, caller: Caller) -> Worlds:
    """One query."""
    found = list(queries.worlds(caller.user)[: MOST_LISTED + 1])
    return Worlds(worlds=[shown(w, caller) for w in found[:MOST_LISTED]], more=len(found) > MOST_LISTED)


def shown(world: World, caller: Caller) -> WorldShown:
    """A world as tools tell of it."""
    names = ("name", "description", "status", "tick", "target_tick", "rate")
    values = {name: getattr(world, name) for name in names}
    return WorldShown(id=world.pk, yours_to_steer=worlds.governs(world, caller.user), **values)


class ZonesWanted(Request):
    """Which zones."""

    world: Name | None = None
    """Name or id of the world; all worlds that you may see when left out."""
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class ZoneShown(Reply):
    """A zone at a glance."""

    id: UUID
    name: str
    world: str
    description: str
    agents: int
    """How many stand in it."""
    capacity: int
    closed: bool
    allows: list[str]
    """What ordinary members may do in it."""


class Zones(Reply):
    """Zones, by world and in their order."""

    zones: list[ZoneShown]
    total: int


@tool(
    name="zone_list",
    description="List the zones of a world, or of all worlds that you may see.",
    capability="zones:read",
    output=Zones,
    for_people=Conduct("List zones", read_only=True, idempotent=True),
)
def zone_list(wanted: ZonesWanted, caller: Caller) -> Zones:
    """Two queries, one more for a world."""
    world_id = world_meant(wanted.world, caller).pk if wanted.world else None
    rows = queries.visible_zones(caller.user, world_id=world_id)
    page = rows[wanted.offset : wanted.offset + wanted.limit]
    return Zones(zones=[_zone(zone) for zone in page], total=rows.count())


def _zone(zone: Zone) -> ZoneShown:
    return ZoneShown(
        id=zone.pk,
        name=zone.name,
        world=zone.world.name,
        description=zone.description,
        agents=zone.agent_count,
        capacity=zone.capacity,
        closed=zone.closed,
        allows=queries.permission_names(zone.permissions),
    )


class PlaceWanted(Request):
    """Which place."""

    zone: Name
    """Name or id of the zone."""
    world: Name | None = None
    """Name or id of its world, where several worlds have a zone of that name."""


class WayShown(Reply):
    """A way out."""

    zone: str
    id: UUID
    permeability: float
    """0 shut, 1 open."""


class HappeningShown(Reply):
    """Something that those present could notice."""

    tick: int
    text: str


class Environment(Reply):
    """What a place is like."""

    zone: ZoneShown
    tick: int
    """Of the world."""
    properties: dict[str, float]
    """temperature °C; humidity, light, noise 0–1"""
    resources: dict[str, float]
    """0–100"""
    entropy: float
    thermal: float
    """−1…1"""
    rules: dict[str, Any]
    ways: list[WayShown]
    notices: list[str]
    """What hangs there, newest first."""
    happenings: list[HappeningShown]
    """The latest, newest first."""


@tool(
    name="observe_environment",
    description="Look at a zone: its weather, resources, ways out, notices and what happened there lately.",
    capability="zones:read",
    output=Environment,
    for_people=Conduct("Observe a place", read_only=True, idempotent=True),
)
def observe_environment(wanted: PlaceWanted, caller: Caller) -> Environment:
    """Five queries."""
    return observed(zone_meant(wanted.zone, wanted.world, caller))


def observed(zone: Zone) -> Environment:
    """A place as it is, of a zone that was read with its world. Three queries."""
    ways = [
        WayShown(zone=way.other.name, id=way.other_id, permeability=way.permeability)
        for way in queries.neighbours(zone.pk)
    ]
    return Environment(
        zone=_zone(zone),
        tick=zone.world.tick,
        properties=zone.properties,
        resources=zone.resources,
        entropy=zone.entropy,
        thermal=zone.thermal,
        rules=zone.rules,
        ways=ways,
        notices=[f"{notice.text} ({notice.author})" for notice in queries.notices(zone.pk)],
        happenings=[HappeningShown(tick=h.tick, text=h.text) for h in queries.happenings(zone.pk)],
    )


# --- Making --------------------------------------------------------------------------------------------------


class NewZone(Request):
    """A zone to be made."""

    world: Name
    """Name or id of the world."""
    name: Name
    description: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""
    capacity: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Most agents at once."""
    neighbours: Annotated[list[Name], Field(max_length=50)] = []
    """Names or ids of zones of this world to which ways shall lead, in both directions."""


@tool(
    name="zone_create",
    description="Make a zone in a world that you own or operate, with ways to its neighbours.",
    capability="zones:write",
    output=ZoneShown,
    for_people=Conduct("Make a zone"),
)
def zone_create(wanted: NewZone, caller: Caller) -> ZoneShown:
    """The new zone with its ways, all or nothing. Locks the world and its zones."""
    world = world_meant(wanted.world, caller)
    others = [zone_meant(other, str(world.pk), caller) for other in wanted.neighbours]
    fields = {"name": wanted.name, "description": wanted.description, "capacity": wanted.capacity}
    return _zone(places.found(world, fields, user=caller.user, neighbours=[other.pk for other in others]))

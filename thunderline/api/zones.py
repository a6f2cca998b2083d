"""`/zones`: the places of worlds that one may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from pydantic import BaseModel, Field
from rest_framework.response import Response

from thunderline.api import pages, problems, requests, versions
from thunderline.api import worlds as world_doors
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, empty, reply
from zones import queries
from zones.actions import places, worlds

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e11"
EXAMPLE_ROW = {
    "id": EXAMPLE_ID, "world_id": world_doors.EXAMPLE_ID, "name": "Market", "description": "", "ordinal": 0,
    "capacity": 200, "agent_count": 42, "closed": False,
    "resources": {"food": 60.0, "materials": 41.5, "energy": 58.0, "knowledge": 60.0}, "entropy": 0.2, "thermal": 0.0,
    "updated_at": "2026-05-31T12:20:00Z",
}  # fmt: skip
EXAMPLE = {
    **EXAMPLE_ROW, "permissions": ["spawn_agents", "broadcast_events"], "movement_cost": 3.0,
    "interaction_range": 30.0, "regeneration": {"food": 2.0}, "spawning": True, "environment_interval": 30,
    "properties": {"temperature": 20.0, "humidity": 0.5, "light": 0.7, "noise": 0.2}, "active_session_count": 1,
    "ways": [{"zone_id": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e12", "name": "Pier", "permeability": 0.5}],
}  # fmt: skip
RULES = ("movement_cost", "interaction_range", "regeneration", "spawning", "environment_interval")
EDITABLE = ("description", "capacity", "closed", "permissions", *RULES)

Resource = Literal["food", "materials", "energy", "knowledge"]
PermissionName = Literal["spawn_agents", "modify_zone", "broadcast_events", "admin_zone"]
Capacity = Annotated[int, Field(ge=0, le=100_000)]
Cost = Annotated[float, Field(ge=0, le=1000)]
Range = Annotated[float, Field(gt=0, le=1000)]
Regeneration = dict[Resource, Annotated[float, Field(ge=-100, le=100)]]
Interval = Annotated[int, Field(ge=1, le=100_000)]


class Way(BaseModel):
    """Where one can go from here; 0 is shut, 1 open."""

    zone_id: UUID
    name: str
    permeability: float


class ZoneRow(BaseModel):
    """A zone as lists have it. Resources are 0–100, entropy 0–1, thermal −1…1."""

    id: UUID
    world_id: UUID
    name: str
    description: str
    ordinal: int
    capacity: int
    agent_count: int
    closed: bool
    resources: dict[str, float]
    entropy: float
    thermal: float
    updated_at: datetime


class Zone(ZoneRow):
    """A zone, its rules and the ways out of it. `permissions` are what ordinary members of the world may do here."""

    permissions: list[PermissionName]
    movement_cost: float
    interaction_range: float
    regeneration: dict[str, float]
    spawning: bool
    environment_interval: int
    properties: dict[str, float]
    active_session_count: int
    ways: list[Way]


class ZonePage(pages.Page[ZoneRow]):
    """Zones by world and place in it."""


class ZonesQuery(requests.Pages):
    """Which zones."""

    world: UUID | None = None


class NewZone(requests.Given):
    """A zone to make, after those that are there."""

    world_id: UUID
    name: requests.Name
    description: requests.Text = ""
    capacity: Capacity = 100
    permissions: Annotated[list[PermissionName], Field(max_length=4)] = ["spawn_agents", "broadcast_events"]
    movement_cost: Cost = 3.0
    interaction_range: Range = 30.0
    regeneration: Regeneration = {}
    spawning: bool = True
    environment_interval: Interval = 30


class ZoneChange(requests.Given):
    """What is given is changed; the rest stays as it is."""

    description: requests.Text | None = None
    capacity: Capacity | None = None
    closed: bool | None = None
    permissions: Annotated[list[PermissionName], Field(max_length=4)] | None = None
    movement_cost: Cost | None = None
    interaction_range: Range | None = None
    regeneration: Regeneration | None = None
    spawning: bool | None = None
    environment_interval: Interval | None = None


def _row(zone: Any) -> dict[str, Any]:
    names = ("world_id", "name", "description", "ordinal", "capacity", "agent_count", "closed", "resources", "entropy",
             "thermal", "updated_at")  # fmt: skip
    return {"id": zone.pk, **{name: getattr(zone, name) for name in names}}


def _shape(zone: Any) -> Zone:
    ways = [Way(zone_id=way.other_id, name=way.other.name, permeability=way.permeability)
            for way in queries.neighbours(zone.pk)]  # fmt: skip
    return Zone(
        **_row(zone), ways=ways, permissions=queries.permission_names(zone.permissions), properties=zone.properties,
        active_session_count=zone.active_session_count, **{name: getattr(zone, name) for name in RULES},
    )  # fmt: skip


def _tag(zone: Any) -> str:
    return versions.tag("zone", {name: getattr(zone, name) for name in EDITABLE})


def visible(request: Any, zone_id: UUID) -> Any:
    """A zone with its world. Raises: problems.Refused (404)."""
    found = queries.visible_zone(zone_id, request.user)
    if found is None:
        raise problems.not_found("zone")
    return found


def _answer(request: Any, zone_id: UUID) -> Response:
    zone = visible(request, zone_id)
    return reply(_shape(zone), headers={"ETag": _tag(zone)})


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """As columns."""
    fields = {name: value for name, value in given.items() if value is not None}
    if "permissions" in fields:
        fields["permissions"] = queries.permission_bits(fields["permissions"])
    return fields


class Zones(Door):
    domain = "thundergrid"

    @operation(
        "zones_list", "Zones of worlds that you may see", tag="zones", scope="zones:read", query=ZonesQuery,
        answer=ZonePage, shows={"results": [EXAMPLE_ROW], "next": None}, errors=[422],
        asks={"world": world_doors.EXAMPLE_ID, "limit": 50},
    )  # fmt: skip
    def get(self, request: Any, query: ZonesQuery) -> Response:
        """By world, and in each in the order in which they were made."""
        key = pages.key_of(query.cursor, UUID, int)
        found = queries.page_of_zones(request.user, world_id=query.world, after=key, limit=query.limit + 1)
        page = pages.page(request, found, query.limit, key=lambda z: (z.world_id, z.ordinal),
                          shape=lambda zone: ZoneRow(**_row(zone)))  # fmt: skip
        return reply(page)

    @operation(
        "zones_create", "Make a zone", tag="zones", scope="zones:write", body=NewZone,
        answer=Zone, status=201, sends={"world_id": world_doors.EXAMPLE_ID, "name": "Market", "capacity": 200},
        shows=EXAMPLE, versioned=True, repeatable=True, errors=[404, 409],
    )  # fmt: skip
    def post(self, request: Any, body: NewZone) -> Response:
        """For who governs the world: its owner, and operators. No way leads there yet."""
        world = world_doors.governed(request, body.world_id)
        fields = _fields(body.model_dump(exclude={"world_id"}))
        with transaction.atomic():
            locked = worlds.lock(world.name)  # two at once would take the same place in its order
            if locked is None or locked.pk != world.pk:
                raise problems.Refused(409, "conflict", "somebody renamed the world just now; try again")
            zone = places.create_many(locked, [fields])[0]
        found = visible(request, zone.pk)
        return created(_shape(found), at=f"{request.path}/{zone.pk}", headers={"ETag": _tag(found)})


class OneZone(Door):
    domain = "thundergrid"

    @operation(
        "zones_read", "A zone", tag="zones", scope="zones:read", ids={"zone_id": EXAMPLE_ID}, answer=Zone,
        shows=EXAMPLE, versioned=True,
    )  # fmt: skip
    def get(self, request: Any, zone_id: UUID) -> Response:
        """What is there, its rules, and where one can go from it."""
        return _answer(request, zone_id)

    @operation(
        "zones_update", "Change a zone", tag="zones", scope="zones:write",
        ids={"zone_id": EXAMPLE_ID}, body=ZoneChange, answer=Zone, sends={"capacity": 300, "closed": False},
        shows=EXAMPLE, versioned=True, conditional=True,
    )  # fmt: skip
    def patch(self, request: Any, zone_id: UUID, body: ZoneChange) -> Response:
        """For who may modify the zone; who may do what there, its administrators decide."""
        zone = visible(request, zone_id)
        changes = _fields(body.model_dump(exclude_unset=True))
        with transaction.atomic():
            versions.check(request, _tag(places.lock_many([zone.pk])[zone.pk]))
            if changes:
                places.edit_many({zone.pk: changes}, user=request.user)
        return _answer(request, zone_id)

    @operation(
        "zones_close", "Close a zone", tag="zones", scope="zones:write",
        ids={"zone_id": EXAMPLE_ID}, status=204,
    )  # fmt: skip
    def delete(self, request: Any, zone_id: UUID) -> Response:
        """It stays, with all who are in it; nobody can come in or do anything there until it is opened again."""
        zone = visible(request, zone_id)
        with transaction.atomic():
            places.edit_many({zone.pk: {"closed": True}}, user=request.user)
        return empty()

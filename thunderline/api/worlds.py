"""`/worlds`: worlds that one may see, and their clocks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from pydantic import BaseModel, Field
from rest_framework.response import Response

from thunderline.api import pages, problems, requests, versions
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, reply
from zones import queries
from zones.actions import worlds

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e01"
EXAMPLE = {
    "id": EXAMPLE_ID, "name": "Harbour", "description": "A small town by the sea.", "owner": "operator",
    "access": "shared", "seed": 7, "status": "running", "rate": 1.0, "tick": 1200, "target_tick": 1200,
    "inserted_at": "2026-05-31T12:00:00Z", "updated_at": "2026-05-31T12:20:00Z",
}  # fmt: skip
EDITABLE = ("description", "access", "rate")

Access = Literal["private", "shared", "open"]
Rate = Annotated[float, Field(gt=0, le=1000, description="World ticks a heartbeat.")]


class World(BaseModel):
    """A world. Its clock is at `tick` and may go on to `target_tick`."""

    id: UUID
    name: str
    description: str
    owner: str | None
    access: Access
    seed: int
    status: Literal["running", "paused"]
    rate: float
    tick: int
    target_tick: int
    inserted_at: datetime
    updated_at: datetime


class WorldPage(pages.Page[World]):
    """Worlds by name."""


class NewWorld(requests.Given):
    """A world to make; it is empty, and belongs to who makes it."""

    name: requests.Name
    description: requests.Text = ""
    access: Access = "private"
    seed: Annotated[int, Field(ge=0, le=requests.BIGGEST)] = 0
    rate: Rate = 1.0


class WorldChange(requests.Given):
    """What is given is changed; the rest stays as it is."""

    description: requests.Text | None = None
    access: Access | None = None
    rate: Rate | None = None


class Steps(requests.Given):
    """By how many ticks a clock shall go on."""

    ticks: Annotated[int, Field(ge=1, le=1_000_000)] = 1


def shape(world: Any) -> World:
    """As it is answered; its owner is loaded with it."""
    return World(
        id=world.pk, name=world.name, description=world.description,
        owner=world.owner.get_username() if world.owner_id else None, access=world.access, seed=world.seed,
        status=world.status, rate=world.rate, tick=world.tick, target_tick=world.target_tick,
        inserted_at=world.inserted_at, updated_at=world.updated_at,
    )  # fmt: skip


def tag(world: Any) -> str:
    """Its ETag."""
    return versions.tag("world", {name: getattr(world, name) for name in EDITABLE})


def visible(request: Any, world_id: UUID) -> Any:
    """Raises: problems.Refused (404)."""
    found = queries.worlds(request.user).select_related("owner").filter(pk=world_id).first()
    if found is None:
        raise problems.not_found("world")
    return found


def governed(request: Any, world_id: UUID) -> Any:
    """One that the user may change. Raises: problems.Refused (403, 404)."""
    world = visible(request, world_id)
    if not worlds.governs(world, request.user):
        raise problems.Refused(403, "access_denied", f"you may look at {world.name}, not change it")
    return world


def _answer(request: Any, world_id: UUID) -> Response:
    world = visible(request, world_id)
    return reply(shape(world), headers={"ETag": tag(world)})


class Worlds(Door):
    domain = "thundergrid"

    @operation(
        "worlds_list", "Worlds that you may see", tag="worlds", scope="worlds:read", query=requests.Pages,
        answer=WorldPage, shows={"results": [EXAMPLE], "next": None}, errors=[422], asks={"limit": 50},
    )  # fmt: skip
    def get(self, request: Any, query: requests.Pages) -> Response:
        """By name."""
        rows = queries.worlds(request.user).select_related("owner").order_by("name")
        if key := pages.key_of(query.cursor, str):
            rows = rows.filter(name__gt=key[0])
        found = list(rows[: query.limit + 1])
        return reply(pages.page(request, found, query.limit, key=lambda world: (world.name,), shape=shape))

    @operation(
        "worlds_create", "Make a world", tag="worlds", scope="worlds:write", permission="zones.add_world",
        body=NewWorld, answer=World, status=201, sends={"name": "Harbour", "access": "shared", "seed": 7},
        shows=EXAMPLE, versioned=True, repeatable=True, errors=[409],
    )  # fmt: skip
    def post(self, request: Any, body: NewWorld) -> Response:
        """It runs, and has no zones yet."""
        world = worlds.create(by=request.user, **body.model_dump())
        return created(shape(world), at=f"{request.path}/{world.pk}", headers={"ETag": tag(world)})


class OneWorld(Door):
    domain = "thundergrid"

    @operation(
        "worlds_read", "A world", tag="worlds", scope="worlds:read", ids={"world_id": EXAMPLE_ID}, answer=World,
        shows=EXAMPLE, versioned=True,
    )  # fmt: skip
    def get(self, request: Any, world_id: UUID) -> Response:
        """Where its clock is, and who may see it."""
        return _answer(request, world_id)

    @operation(
        "worlds_update", "Change a world", tag="worlds", scope="worlds:write",
        ids={"world_id": EXAMPLE_ID}, body=WorldChange, answer=World, sends={"access": "open", "rate": 2.0},
        shows=EXAMPLE, versioned=True, conditional=True, errors=[409],
    )  # fmt: skip
    def patch(self, request: Any, world_id: UUID, body: WorldChange) -> Response:
        """Who may see it, how fast it goes, and what it is about. For its owner and for operators."""
        world = governed(request, world_id)
        changes = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
        with transaction.atomic():
            locked = worlds.lock(world.name)
            if locked is None or locked.pk != world_id:
                raise problems.Refused(409, "conflict", "somebody renamed it just now; try again")
            versions.check(request, tag(locked))
            if changes:
                worlds.edit(locked, **changes)
        return _answer(request, world_id)


class PauseWorld(Door):
    domain = "thundergrid"

    @operation(
        "worlds_pause", "Stop a world's clock", tag="worlds", scope="worlds:write",
        ids={"world_id": EXAMPLE_ID}, answer=World, shows={**EXAMPLE, "status": "paused"}, versioned=True,
    )  # fmt: skip
    def post(self, request: Any, world_id: UUID) -> Response:
        """The tick under way is finished; after that only a step moves the clock."""
        worlds.pause(governed(request, world_id).pk)
        return _answer(request, world_id)


class ResumeWorld(Door):
    domain = "thundergrid"

    @operation(
        "worlds_resume", "Let a world's clock go on", tag="worlds", scope="worlds:write",
        ids={"world_id": EXAMPLE_ID}, answer=World, shows=EXAMPLE, versioned=True,
    )  # fmt: skip
    def post(self, request: Any, world_id: UUID) -> Response:
        """Heartbeats move it again."""
        worlds.resume(governed(request, world_id).pk)
        return _answer(request, world_id)


class StepWorld(Door):
    domain = "thundergrid"

    @operation(
        "worlds_step", "Let a world go on by some ticks", tag="worlds", scope="worlds:write",
        ids={"world_id": EXAMPLE_ID}, body=Steps, answer=World, sends={"ticks": 10},
        shows=EXAMPLE, status=202, versioned=True, heavy=True,
    )  # fmt: skip
    def post(self, request: Any, world_id: UUID, body: Steps) -> Response:
        """Paused or not. The answer comes at once; the clock is there when `tick` is `target_tick`."""
        worlds.step(governed(request, world_id).pk, ticks=body.ticks)
        world = visible(request, world_id)
        return reply(shape(world), status=202, headers={"ETag": tag(world)})

"""How people's programs steer a world's clock."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from zones.actions import worlds
from zones.client_tools import LONGEST_WAIT_S, Name, WorldShown, shown, world_meant
from zones.models import World

POLL_S = 0.05


def governed(name_or_id: str, caller: Caller) -> World:
    """A world whose clock the caller may steer. Raises: ToolError."""
    world = world_meant(name_or_id, caller)
    if not worlds.governs(world, caller.user):
        raise ToolError("access_denied", f"only the owner of {world.name} and operators may steer its clock")
    return world


class WorldWanted(Request):
    """Which world."""

    world: Name
    """Name or id of the world."""


@tool(
    name="world_pause",
    description="Stop a world's clock; the tick under way is finished. For its owner and operators.",
    capability="worlds:write",
    output=WorldShown,
    for_people=Conduct("Pause a world", idempotent=True),
)
def world_pause(wanted: WorldWanted, caller: Caller) -> WorldShown:
    """Locks the world's row."""
    return shown(worlds.pause(governed(wanted.world, caller).pk), caller)


@tool(
    name="world_resume",
    description="Let a world's clock go on with the heartbeat. For its owner and operators.",
    capability="worlds:write",
    output=WorldShown,
    for_people=Conduct("Resume a world", idempotent=True),
)
def world_resume(wanted: WorldWanted, caller: Caller) -> WorldShown:
    """Locks the world's row."""
    return shown(worlds.resume(governed(wanted.world, caller).pk), caller)


class Steps(Request):
    """How far."""

    world: Name
    """Name or id of the world."""
    ticks: Annotated[int, Field(ge=1, le=10_000)] = 1
    """World ticks to go on by."""
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = 30.0
    """Seconds to wait until the clock is there; 0: do not wait."""


class Stepped(Reply):
    """How far it came."""

    world: str
    tick: int
    target_tick: int
    arrived: bool
    """Whether the clock is where it was to go."""


@tool(
    name="world_step",
    description="Let a world's clock go on by some ticks, paused or not, and wait until it has. For its owner and "
    "operators.",
    capability="worlds:write",
    output=Stepped,
    for_people=Conduct("Step a world", waits=True, heavy=True),
)
def world_step(wanted: Steps, caller: Caller) -> Stepped:
    """Waits outside of any transaction; one query a look."""
    world = worlds.step(governed(wanted.world, caller).pk, ticks=wanted.ticks)
    first, target = world.target_tick - wanted.ticks, world.target_tick
    end = time.monotonic() + wanted.wait_s
    while world.tick < target and time.monotonic() < end:
        time.sleep(POLL_S)
        world = World.objects.get(pk=world.pk)
        caller.progress(max(0, world.tick - first), wanted.ticks, f"{world.name} is at tick {world.tick}")
    return Stepped(world=world.name, tick=world.tick, target_tick=target, arrived=world.tick >= target)

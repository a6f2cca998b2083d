"""Steering a world's clock, for who governs it: pause, resume, step, speed. What can be undone offers that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from domains.thundergate.repeats.forms import once
from thunderline.views import live
from zones import queries as zones
from zones.actions import worlds
from zones.errors import Invalid, ZoneError

MOST_STEPS = 10_000
"""Ticks of one step by a button; a longer way is the command line's."""
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)
"""World ticks a heartbeat that are offered."""

Act = Callable[[Any], tuple[str, live.Undo | None]]


def _steer(request: HttpRequest, world_id: UUID, act: Act) -> HttpResponse:
    """Let `act` steer a world's clock; what is refused is told in a line."""
    world = zones.worlds(request.user).filter(pk=world_id).first()
    if world is None:
        raise Http404
    if not worlds.governs(world, request.user):
        text = f"Only the owner of {world.name} and operators may steer its clock."
        return live.notice(request, text, status=403, kind="bad", refresh=False)
    try:
        text, undo = act(world)
    except ZoneError as error:
        return live.notice(request, str(error), status=409, kind="bad")
    return live.notice(request, text, undo=undo)


def _undo(world: Any, name: str, label: str, **given: str) -> live.Undo:
    return live.Undo(reverse(f"world-{name}", args=[world.pk]), label, given)


@require_POST
@live.door("thundergrid")
def pause(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """Heartbeats no longer move the clock."""

    def act(world: Any) -> tuple[str, live.Undo | None]:
        worlds.pause(world_id)
        return f"{world.name} is paused; the tick under way is finished.", _undo(world, "resume", "Resume it")

    return _steer(request, world_id, act)


@require_POST
@live.door("thundergrid")
def resume(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """Heartbeats move the clock again."""

    def act(world: Any) -> tuple[str, live.Undo | None]:
        worlds.resume(world_id)
        return f"{world.name} goes on.", _undo(world, "pause", "Pause it")

    return _steer(request, world_id, act)


@require_POST
@live.door("thundergrid")
@once
def step(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """The clock goes on by `ticks`, paused or not. What was lived through cannot be undone."""

    def act(world: Any) -> tuple[str, live.Undo | None]:
        text = request.POST.get("ticks", "1")
        if not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= MOST_STEPS:
            raise Invalid(f"A step is a whole number of ticks from 1 to {MOST_STEPS:,}.")
        there = worlds.step(world_id, ticks=int(text)).target_tick
        return f"{world.name} goes on to tick {there:,}.", None

    return _steer(request, world_id, act)


@require_POST
@live.door("thundergrid")
def speed(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """`rate` world ticks a heartbeat from now on."""

    def act(world: Any) -> tuple[str, live.Undo | None]:
        try:
            rate = float(request.POST.get("rate", ""))
        except ValueError:
            raise Invalid("A speed is a number of ticks a heartbeat.") from None
        worlds.set_rate(world_id, rate)
        ticks = "tick" if rate == 1 else "ticks"
        return f"{world.name} lives {rate:g} {ticks} a heartbeat.", _undo(
            world, "speed", "Undo", rate=f"{world.rate:g}"
        )

    return _steer(request, world_id, act)

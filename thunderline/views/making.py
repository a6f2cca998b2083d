"""Making agents and zones by forms, for those who may; and what shall happen in a zone.

A form that does not fit comes back with what is wrong beside the fields. Done, the browser goes to what was made.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from agents import actions
from agents import queries as agents
from agents.actions.inputs import apply_inputs
from domains.thundergate.repeats.forms import once
from thunderline.views import forms, live
from zones import queries as zones
from zones.actions import places, worlds

MOST_NEIGHBOURS = 200
"""Zones that the form of a new one lists; more ways are made in the admin."""
MOST_TURNS = 1000


def visible_zone(request: HttpRequest, zone_id: UUID) -> Any:
    """A zone with its world. Raises: Http404 when there is none, or none that the user may see."""
    zone = zones.visible_zone(zone_id, request.user)
    if zone is None:
        raise Http404
    return zone


def may_spawn(zone: Any, user: Any) -> bool:
    """Whether somebody may make agents in a zone, and agents may be born there."""
    return zone.spawning and places.has_permission(zone, user, places.Permission.SPAWN_AGENTS)


@require_http_methods(["GET", "HEAD", "POST"])
@live.door("thunderpac")
@once
def agent(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """An agent in a zone. `turn` asks for another suggestion."""
    zone = visible_zone(request, zone_id)
    if not may_spawn(zone, request.user):
        raise PermissionDenied
    governs = places.governs(zone, request.user)
    if request.method != "POST":
        turn = _turn(request)
        initial = forms.suggested(
            zone.world.seed, zone.world.next_ordinal, turn, agents.taken(zone.world_id, forms.NAMES)
        )
        form = forms.NewAgent(governs=governs, initial=initial)
        return render(request, "new_agent.html", {"form": form, "zone": zone, "turn": (turn + 1) % MOST_TURNS})
    form = forms.NewAgent(request.POST, governs=governs)
    if form.is_valid() and form.spec is not None:
        by = f"user:{request.user.get_username()}"
        try:
            made = actions.create(form.spec, world_id=zone.world_id, zone_id=zone_id, by=by, user=request.user)
            return redirect("agent", made.pk)
        except forms.REFUSALS as error:
            form.refuse(error)
    return render(request, "new_agent.html", {"form": form, "zone": zone, "turn": 0})


def _turn(request: HttpRequest) -> int:
    text = request.GET.get("turn", "0")
    return int(text) if text.isdecimal() and len(text) < 4 else 0


@require_http_methods(["GET", "HEAD", "POST"])
@live.door("thundergrid")
@once
def zone(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """A zone in a world."""
    world = governed_world(request, world_id)
    others = zones.named(world_id, limit=MOST_NEIGHBOURS)
    form = forms.NewZone(request.POST if request.method == "POST" else None, zones=others)
    if form.is_valid():
        neighbours = [UUID(pk) for pk in form.cleaned_data.get("neighbours", ())]
        try:
            with transaction.atomic():
                made = places.found(world, form.spec, user=request.user, neighbours=neighbours)
            return redirect("zone", made.pk)
        except forms.REFUSALS as error:
            form.refuse(error)
    return render(request, "new_zone.html", {"form": form, "world": world})


def governed_world(request: HttpRequest, world_id: UUID) -> Any:
    """A world that the user may change. Raises: Http404, PermissionDenied."""
    world = zones.worlds(request.user).filter(pk=world_id).first()
    if world is None:
        raise Http404
    if not worlds.governs(world, request.user):
        raise PermissionDenied
    return world


@require_POST
@live.door("thundergrid")
@once
def happening(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """Something happens in a zone, for who governs it. The answer is the form, empty or with what is wrong."""
    zone = visible_zone(request, zone_id)
    if not places.governs(zone, request.user):
        raise PermissionDenied
    form = forms.Happening(request.POST)
    told = None
    if form.is_valid():
        try:
            _happen(zone, form, request.user)
        except forms.REFUSALS as error:
            form.refuse(error)
        else:
            told, form = f"It is known to all in {zone.name}.", forms.Happening()
    response = render(request, "parts/happening.html", {"zone": zone, "form": form, "told": told})
    if told:
        response["HX-Trigger"] = "refresh"
    return response


def _happen(zone: Any, form: forms.Happening, user: Any) -> None:
    """Raises: AgentError, ZoneError."""
    pushed = form.pushed(user=user, by=f"user:{user.get_username()}")
    (done,) = apply_inputs(zone.pk, [pushed], durable=False)  # `once` says when it is done
    if isinstance(done, Exception):
        raise done

"""What the map of a world and the lines beside it are drawn from, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from agents import pulses, worldmap
from agents.errors import NotFound
from domains.thunderblock import guards
from zones import queries as zones

SHOWN = timedelta(hours=1)


def _visible(request: HttpRequest, world_id: UUID) -> None:
    """Raises: Http404 when there is no such world, or none that the user may see."""
    if zones.visible_world(str(world_id), request.user) is None:
        raise Http404


@guards.door("thundergrid")
def show(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """The map of a world: what `agents.worldmap.draw` says. At most two seconds old."""
    _visible(request, world_id)
    try:
        drawn = worldmap.of(world_id)
    except NotFound:
        raise Http404 from None
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(drawn.packed if packed else drawn.body, content_type="application/json")
    if packed:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


@guards.door("thundergrid")
def pulse(request: HttpRequest, world_id: UUID) -> HttpResponse:
    """The latest hour, oldest first, as `agents.pulses.History` has it."""
    _visible(request, world_id)
    return JsonResponse(asdict(pulses.history(world_id, since=timezone.now() - SHOWN)))

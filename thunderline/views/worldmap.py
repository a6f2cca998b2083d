"""What the map of a world and the lines beside it are drawn from, as JSON."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from statistics import fmean
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from agents import pulses, worldmap
from agents.errors import NotFound
from domains.thunderblock import guards
from domains.thunderlink import heartbeat
from zones import queries as zones

SHOWN = timedelta(hours=1)
GATHERED = 5
"""Heartbeats that make one point."""


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
    """The latest hour, oldest first: `beats` {at, latency_ms}, means, and `world` {at, ticks_per_s, mood, energy}."""
    _visible(request, world_id)
    since = timezone.now() - SHOWN
    recent = [beat for beat in heartbeat.recent(int(SHOWN.total_seconds())) if beat.at >= since]
    beats = [list(few) for _, few in groupby(recent, lambda beat: (beat.number - 1) // GATHERED)]
    world = pulses.history(world_id, since=since)
    found: dict[str, Any] = {
        "beats": {
            "at": [round(few[-1].at.timestamp(), 2) for few in beats],
            "latency_ms": [round(fmean(beat.latency_ms for beat in few), 2) for few in beats],
        },
        "world": {name: getattr(world, name) for name in ("at", "ticks_per_s", "mood", "energy")},
    }
    return JsonResponse(found)

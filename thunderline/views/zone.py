"""The page of a zone: its weather and stores, everybody in it, what was told of it."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse

from agents import queries as agents
from thunderline.views import live
from thunderline.views.stories import stories
from zones import queries as zones

AGENTS_SHOWN = 60
STORIES_SHOWN = 20


@live.door("thundergrid")
def show(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """One page of agents at a time, by name; `q` is a part of a name."""
    zone = zones.visible_zone(zone_id, request.user)
    if zone is None:
        raise Http404
    wanted = live.asked(request)[:100]
    page = Paginator(agents.in_zone(zone_id, wanted), AGENTS_SHOWN).get_page(request.GET.get("page"))
    panels = [
        live.Panel("place", {"zone": zone, "neighbours": zones.neighbours(zone_id)}),
        live.Panel("crowd", {"page": page, "wanted": wanted}),
        live.Panel("notices", {"notices": zones.notices(zone_id)}),
        live.Panel("stories", {"stories": stories(request.user, zone_id=zone_id, limit=STORIES_SHOWN)}),
    ]
    return live.respond(request, "zone.html", panels, {"zone": zone, "wanted": wanted})

"""The first page: what is wrong, the heartbeat, worlds with their zones and agents, the latest stories, the domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from agents import queries as agents
from domains.thunderblock import queries as registry
from domains.thunderlink import heartbeat
from thunderline.views import live
from thunderline.views.stories import stories
from zones import queries as zones

ZONES_SHOWN = 24
ZONES_OF_ONE_WORLD = 1000
AGENTS_SHOWN = 12
FEWER_AGENTS_ABOVE = 12
"""Zones above which each shows only the first four of its agents, or the page would be endless."""
STORIES_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A zone with the first of its agents, and how many more there are."""

    zone: Any
    agents: Sequence[agents.Glimpse]
    more: int


@dataclass(frozen=True, slots=True)
class WorldView:
    """A world with the zones that fit on the page. `lag`: ticks that it is behind."""

    world: Any
    population: int
    lag: int
    places: Sequence[Place]
    more: int


def show(request: HttpRequest, world_id: UUID | None = None) -> HttpResponse:
    """All worlds, or one with all its zones. The same number of queries however much there is."""
    worlds = _worlds(request.user, world_id)
    if world_id and not worlds:
        raise Http404
    heart, domains = heartbeat.stats(), registry.domains()
    panels = [
        live.Panel("problems", {"problems": problems(heart, domains, worlds)}),
        live.Panel("heart", {"heart": heart, "beats": _spark(heartbeat.recent())}),
        live.Panel("worlds", {"worlds": worlds}),
        live.Panel("stories", {"stories": stories(request.user, limit=STORIES_SHOWN), "zones_named": True}),
        live.Panel("domains", {"domains": domains}),
    ]
    return live.respond(request, "home.html", panels, {})


def problems(
    heart: heartbeat.Stats, domains: Sequence[registry.DomainStatus], worlds: Sequence[WorldView]
) -> list[str]:
    """What needs a person, as sentences, the worst first."""
    found = []
    if heart.age_s is None:
        found.append("The heart has not beaten yet: start everything with make run.")
    elif not heart.beating:
        found.append(f"The heart has been silent for {heart.age_s:.0f} s: nothing ticks until it beats again.")
    found += [f"{domain.name} {domain.fault}." for domain in domains if domain.fault]
    found += [
        f"{domain.name} is switched off: {domain.reason or 'no reason given'}."
        for domain in domains
        if not domain.enabled
    ]
    # One heartbeat's ticks are always under way.
    found += [
        f"{view.world.name} lags {view.lag} ticks behind its clock."
        for view in worlds
        if view.world.status == "running" and view.lag > max(3.0, 3 * view.world.rate)
    ]
    return found


def _worlds(user: Any, world_id: UUID | None) -> list[WorldView]:
    visible = [world for world in zones.worlds(user).order_by("name") if world_id in (None, world.pk)]
    most = ZONES_OF_ONE_WORLD if world_id else ZONES_SHOWN
    shown, counts = zones.first_zones([world.pk for world in visible], limit=most)
    each = AGENTS_SHOWN if len(shown) <= FEWER_AGENTS_ABOVE else 4
    rosters = agents.first_in_zones([zone.pk for zone in shown], limit=each)
    views = []
    for world in visible:
        places = [
            Place(zone, rosters[zone.pk], max(0, zone.agent_count - len(rosters[zone.pk])))
            for zone in shown
            if zone.world_id == world.pk
        ]
        zone_count, population = counts.get(world.pk, (0, 0))
        lag = max(0, world.target_tick - world.tick)
        views.append(WorldView(world, population, lag, places, zone_count - len(places)))
    return views


def _spark(beats: Sequence[Any]) -> list[tuple[int, float, float]]:
    """Bars of the latest beats as (x, y, height) in a box of 60 × 20, by the time their messages took."""
    most = max((beat.latency_ms for beat in beats), default=1.0) or 1.0
    heights = [round(2 + 18 * beat.latency_ms / most, 1) for beat in beats]
    return [(60 - len(beats) + i, round(20 - height, 1), height) for i, height in enumerate(heights)]

"""The first page: what is wrong, the heartbeat, a world with map, zones and agents, the latest stories, the domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from agents import queries as agents
from agents.minds import usage
from domains.thunderblock import queries as registry
from domains.thundergate.alerts import queries as alerts
from domains.thunderlink import heartbeat
from thunderline.views import clocks, live
from thunderline.views.stories import stories
from zones import queries as zones
from zones.actions import worlds

ZONES_SHOWN = 24
ZONES_OF_ONE_WORLD = 1000
AGENTS_SHOWN = 12
FEWER_AGENTS_ABOVE = 12
"""Zones above which each shows only the first four of its agents, or the page would be endless."""
STORIES_SHOWN = 30
ALERTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A zone with the first of its agents, and how many more there are."""

    zone: Any
    agents: Sequence[agents.Glimpse]
    more: int


class Clock(Protocol):
    """A world and how many ticks it is behind."""

    @property
    def world(self) -> Any:
        """The world."""

    @property
    def lag(self) -> int:
        """Ticks."""


@dataclass(frozen=True, slots=True)
class WorldView:
    """A world. `lag`: ticks that it is behind; `governs`: its clock is theirs."""

    world: Any
    governs: bool
    zone_count: int
    population: int
    lag: int


def show(request: HttpRequest, world_id: UUID | None = None) -> HttpResponse:
    """A world: the one that is named with all its zones, or the liveliest with the first of them.

    The same number of queries however much there is. Who polls and says `live` gets stories by the socket.
    """
    views = _worlds(request.user)
    chosen = next((view for view in views if view.world.pk == world_id), None) if world_id else _liveliest(views)
    if world_id and chosen is None:
        raise Http404
    heart, domains = heartbeat.stats(), registry.domains()
    beaten_at = next((beat.at for beat in heartbeat.recent(1)), None)
    panels = [
        live.Panel("problems", {"problems": problems(heart, domains, views) + alerted(request.user)}),
        live.Panel("heart", {"heart": heart, "beaten_at": beaten_at}),
        live.Panel("world", {"view": chosen, "worlds": views}),
        live.Panel("zones", _zones(chosen, ZONES_OF_ONE_WORLD if world_id else ZONES_SHOWN)),
        live.Panel("domains", {"domains": domains}),
    ]
    if chosen and not (request.headers.get("HX-Request") and request.GET.get("live")):
        told = stories(request.user, world_id=chosen.world.pk, limit=STORIES_SHOWN)
        panels.append(live.Panel("stories", {"stories": told, "zones_named": True}))
    if chosen and chosen.governs:
        panels += _steering(chosen.world)
    return live.respond(request, "home.html", panels, {"view": chosen})


def _steering(world: Any) -> list[live.Panel]:
    """What who governs a world sees besides: its clock, and what its models cost. Two queries."""
    rates = [f"{rate:g}" for rate in sorted({*clocks.SPEEDS, world.rate})]
    spent, dearest = usage.spent_by("world", world.pk), usage.dearest(world.pk)
    return [
        live.Panel("world_steer", {"world": world}),
        live.Panel("world_speed", {"world": world, "speeds": rates, "rate": f"{world.rate:g}"}),
        live.Panel("cost", {"spent": spent, "dearest": dearest}),
    ]


def problems(heart: heartbeat.Stats, domains: Sequence[registry.DomainStatus], worlds: Sequence[Clock]) -> list[str]:
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


def alerted(user: Any) -> list[str]:
    """Alerts that fire and that nobody sees to, for who may see them; the worst first."""
    if not user.has_perm("thundergate.view_alert"):
        return []
    fresh = list(alerts.firing().filter(acknowledged_by="")[: ALERTS_SHOWN + 1])
    found = [alerts.sentence(alert) for alert in fresh[:ALERTS_SHOWN]]
    return [*found, "There are more alerts: see the admin."] if len(fresh) > ALERTS_SHOWN else found


def _worlds(user: Any) -> list[WorldView]:
    """Those that a user may see, by name. Two queries."""
    visible = list(zones.worlds(user).order_by("name"))
    sizes = zones.sizes([world.pk for world in visible])
    return [
        WorldView(
            world,
            worlds.governs(world, user),
            *sizes.get(world.pk, (0, 0)),
            lag=max(0, world.target_tick - world.tick),
        )
        for world in visible
    ]


def _liveliest(views: Sequence[WorldView]) -> WorldView | None:
    """One that runs before one that does not, then the one with most agents, then by name."""
    return max(views, key=lambda view: (view.world.status == "running", view.population), default=None)


def _zones(view: WorldView | None, most: int) -> dict[str, Any]:
    """The first zones of a world, each with the first of its agents. Two queries."""
    if view is None:
        return {"view": None}
    shown = zones.first_zones(view.world.pk, limit=most)
    each = AGENTS_SHOWN if len(shown) <= FEWER_AGENTS_ABOVE else 4
    rosters = agents.first_in_zones([zone.pk for zone in shown], limit=each)
    places = [Place(zone, rosters[zone.pk], max(0, zone.agent_count - len(rosters[zone.pk]))) for zone in shown]
    return {"view": view, "places": places, "more": view.zone_count - len(places)}

"""The page of a zone: its weather and stores, everybody in it, what happens there, who may do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents import queries as agents
from domains.thunderflow import queries as thunderflow
from domains.thunderlink.presence import Away
from thunderline.views import charted, forms, happened, live, making
from thunderline.views.stories import stories
from zones import presence
from zones import queries as zones
from zones.actions import places
from zones.errors import ZoneError
from zones.events import zone_stream, zone_topic

AGENTS_SHOWN = 60
STORIES_SHOWN = 14
EVENTS_SHOWN = 20
LOOKED_THROUGH = 3000
"""Of a zone's events, for those that are no ticks."""
CONNECTED_SHOWN = 40
LIFECYCLES = ("active", "dormant", "suspended")
MINUTES_CHARTED = 60
MOST_EVENTS = 10_000
"""That charts look at: in a busy zone they go back less far."""
POINTS = 240
LEFT_OUT = ("agent_ticked", "resource_changed")
"""What the stories and the charts tell."""


@live.door("thundergrid")
def show(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """One page of agents at a time, by name; `q` is a part of a name, `state` a state of their lives."""
    zone = making.visible_zone(request, zone_id)
    wanted, state = live.asked(request)[:100], request.GET.get("state", "")
    state = state if state in LIFECYCLES else ""
    page = Paginator(agents.in_zone(zone_id, wanted, state), AGENTS_SHOWN).get_page(request.GET.get("page"))
    may_say = places.has_permission(zone, request.user, places.Permission.ADMIN_ZONE)
    governs = places.governs(zone, request.user)
    panels = [
        live.Panel("zone_head", {"zone": zone, "spawns": making.may_spawn(zone, request.user)}),
        live.Panel("place", {"zone": zone, "neighbours": zones.neighbours(zone_id)}),
        live.Panel("crowd", {"page": page, "wanted": wanted, "state": state}),
        live.Panel("happened", {"lines": _lines(zone_id, request.user)}),
        live.Panel("connected", _connected(zone_id)),
        live.Panel("doors", {"zone": zone, "doors": _doors(zone), "may_say": may_say or governs, "governs": governs}),
        live.Panel("notices", {"notices": zones.notices(zone_id)}),
        live.Panel("stories", {"stories": stories(request.user, zone_id=zone_id, limit=STORIES_SHOWN)}),
    ]
    context = {"zone": zone, "wanted": wanted, "state": state, "states": LIFECYCLES}
    if governs and not zone.closed:
        context["form"] = forms.Happening()
    return live.respond(request, "zone.html", panels, context)


def _lines(zone_id: UUID, user: Any) -> list[happened.Line]:
    """What happened lately but for ticks, newest first. One query, one more where somebody came or went."""
    topics = [zone_topic(zone_id, verb) for verb in LEFT_OUT]
    found = thunderflow.stream_latest(zone_stream(zone_id), limit=EVENTS_SHOWN, within=LOOKED_THROUGH, without=topics)
    named = happened.zones_named(found)
    names = {str(pk): name for pk, name in zones.names(named, user=user).items()} if named else {}
    return [happened.line(event, names) for event in found]


def _connected(zone_id: UUID) -> dict[str, Any]:
    """Who is there by a socket; None when nobody knows just now. Asks Redis once."""
    try:
        there = presence.list(zone_id)
    except Away:
        return {"people": None}
    people = [_session(key, entry["metas"]) for key, entry in there.items() if entry["metas"]]
    people.sort(key=lambda person: (person["user"], person["key"]))
    shown = people[:CONNECTED_SHOWN]
    acting = [UUID(person["key"]) for person in shown if person["acts"]]
    names = agents.names_of(acting) if acting else {}
    for person in shown:
        person["agent"] = names.get(UUID(person["key"])) if person["acts"] else None
    return {"people": shown, "more": len(people) - len(shown)}


def _session(key: str, metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    user, acts = str(metas[0].get("user", "")), metas[0].get("kind") == "agent"
    return {"key": key, "user": user, "acts": acts, "sessions": len(metas)}


def _doors(zone: Any) -> list[tuple[str, str, bool]]:
    """Each permission by name, in words, and whether members have it."""
    return [(bit.name.lower(), words, bool(zone.permissions & bit)) for bit, words in forms.ALLOWS.items()]


# --- Buttons -------------------------------------------------------------------------------------------------


@require_POST
@live.door("thundergrid")
def doors(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """Let members do something here, or no longer: `permission`; or open and close the zone: `closed`. `on` or not."""
    zone = making.visible_zone(request, zone_id)
    name, on = request.POST.get("permission", ""), request.POST.get("on") == "1"
    given = {"permission": name} if name else {"closed": "1"}
    try:
        text = _let(zone, name, on, request.user) if name else _close(zone, on, request.user)
    except ZoneError as error:
        denied = error.code == "access_denied"
        return live.notice(request, str(error), status=403 if denied else 409, kind="bad", refresh=not denied)
    undo = live.Undo(reverse("zone-doors", args=[zone_id]), "Undo", {**given, "on": "0" if on else "1"})
    return live.notice(request, text, undo=undo)


def _let(zone: Any, name: str, on: bool, user: Any) -> str:
    """Raises: ZoneError."""
    known = {bit.name.lower(): bit for bit in places.Permission}
    if name not in known:
        raise places.Invalid(f"there is no permission {name[:40]!r}")
    (places.grant_permission if on else places.revoke_permission)(zone.pk, known[name], by=user)
    return f"Members may {'now' if on else 'no longer'} {forms.ALLOWS[known[name]]}."


def _close(zone: Any, on: bool, user: Any) -> str:
    """Raises: ZoneError."""
    with transaction.atomic():
        places.edit_many({zone.pk: {"closed": on}}, user=user)
    return f"{zone.name} is {'closed: nobody can come in or do anything there' if on else 'open again'}."


# --- Charts --------------------------------------------------------------------------------------------------


@live.door("thundergrid")
def series(request: HttpRequest, zone_id: UUID) -> HttpResponse:
    """What charts draw, from the kept events: resources (0–100) as they changed, and events a minute of the last hour.

    `{resources: {at: [s], values: {name: […]}}, activity: {at: [s], values: {ticks: […], other: […]}}}`, instants as
    seconds since 1970, oldest first.
    """
    making.visible_zone(request, zone_id)
    stored = zones.resource_series(zone_id, points=POINTS)
    told = zones.activity(zone_id, minutes=1, spans=MINUTES_CHARTED, most=MOST_EVENTS)
    activity = charted.per_minute(told, now=timezone.now(), minutes=MINUTES_CHARTED, most=MOST_EVENTS)
    return JsonResponse({
        "resources": {"at": [at.timestamp() for at, _ in stored],
                      "values": {name: [row.get(name) for _, row in stored] for name in places.RESOURCES}},
        "activity": activity,
    })  # fmt: skip

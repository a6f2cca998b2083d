"""The page of the domains: how each is, what needs what, how it came to this; and their switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from domains.lifecycle import domain
from domains.thunderblock import actions
from domains.thunderblock import queries as registry
from domains.thunderlink import heartbeat
from thunderline.views import layered, live
from thunderline.views.permitted import permitted

VIEW, CHANGE = "thunderblock.view_activedomain", "thunderblock.change_activedomain"
CHANGES_SHOWN = 40
LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Shown:
    """A domain with its place among the others. `behind`: heartbeats that it has not acknowledged."""

    status: registry.DomainStatus
    title: str
    needs: Sequence[str]
    needed_by: Sequence[str]
    behind: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box of the picture, with the state that colours it."""

    box: layered.Box
    state: str


@permitted(VIEW)
def show(request: HttpRequest) -> HttpResponse:
    """All domains. Four queries."""
    found = _domains()
    may = request.user.has_perm(CHANGE)
    panels = [
        live.Panel("domain_map", _map(found)),
        live.Panel("domain_list", {"domains": found, "may": may}),
        live.Panel("domain_history", {"changes": registry.activation_history(CHANGES_SHOWN)}),
    ]
    return live.respond(request, "domains.html", panels, {})


def _domains() -> list[Shown]:
    """Those that are needed first."""
    known, beat = {status.name: status for status in registry.domains()}, heartbeat.current_tick()
    needs = registry.needs()
    return [
        Shown(
            status=known[name], title=str(domain(name).verbose_name), needs=needs[name],
            needed_by=[other for other, needed in needs.items() if name in needed],
            behind=max(0, beat - known[name].last_tick) if known[name].status == "active" else 0,
        )
        for name in needs
        if name in known
    ]  # fmt: skip


def _map(found: Sequence[Shown]) -> dict[str, Any]:
    states = {one.status.name: one.status.status for one in found}
    needs = {name: needed for name, needed in registry.needs().items() if name in states}
    drawn = layered.picture({name: [other for other in needed if other in states] for name, needed in needs.items()})
    return {
        "picture": drawn,
        "boxes": [Drawn(box, states[box.name]) for box in drawn.boxes],
        "lines": [(line, states[line.needed] == "active") for line in drawn.lines],
        "resting": [one for one in found if one.status.status != "active"],
    }


def _known(name: str) -> registry.DomainStatus:
    """Raises: Http404."""
    found = registry.domain_status(name)
    if found is None or name not in registry.needs():
        raise Http404
    return found


@permitted(CHANGE)
def ask_off(request: HttpRequest, name: str) -> HttpResponse:
    """What goes with a domain that is switched off, to be confirmed."""
    states = {status.name: status.status for status in registry.domains()}
    others = [(other, states.get(other, "waiting")) for other in registry.needed_by(_known(name).name)]
    context = {"name": name, "others": others, "longest": LONGEST_REASON}
    return render(request, "parts/domain_off.html", context)


@require_POST
@permitted(CHANGE)
def switch_off(request: HttpRequest, name: str) -> HttpResponse:
    """Let a domain rest, over restarts too. `reason` is shown wherever it is missed."""
    _known(name)
    said = request.POST.get("reason", "").replace("\0", "").strip()
    if len(said) > LONGEST_REASON:
        text = f"The reason has {LONGEST_REASON} characters at most; {name} was not switched off."
        return live.notice(request, text, status=400, kind="bad")
    by = f"switched off by {request.user.get_username()}"
    actions.switch_off(name, reason=f"{by}: {said}" if said else by, now=timezone.now())
    undo = live.Undo(reverse("domain-on", args=[name]), "Switch it on again")
    return live.notice(request, f"{name} is switched off, and stays so over restarts.", undo=undo)


@require_POST
@permitted(CHANGE)
def switch_on(request: HttpRequest, name: str) -> HttpResponse:
    """Let it wait for the next heartbeat."""
    _known(name)
    actions.switch_on(name, now=timezone.now())
    states = {status.name: status.status for status in registry.domains()}
    missing = [other for other in registry.needs()[name] if states.get(other) != "active"]
    if missing:
        return live.notice(request, f"{name} is switched on, and starts once {' and '.join(missing)} is active.")
    return live.notice(request, f"{name} is switched on, and starts at the next heartbeat.")

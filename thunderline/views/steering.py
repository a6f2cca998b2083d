"""The buttons on an agent's page: what moves it through its life, and from place to place.

What can be taken back offers that in the notice that says it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from agents import actions
from agents import queries as agents
from agents.actions import moves
from agents.errors import AgentError, Invalid
from domains.thundergate.repeats.forms import once
from thunderline.views import live, memories
from zones import queries as zones
from zones.errors import ZoneError

FROM_PAGE = "from its page"
"""The reason that events tell."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a button did, and how it is taken back."""

    text: str
    undo: live.Undo | None = None


Act = Callable[[Any, str], Done]


def _steer(request: HttpRequest, agent_id: UUID, act: Act, *, governs: bool = False) -> HttpResponse:
    """Let `act` do something to an agent, as the user; what is refused is told in a line.

    `governs`: it takes the right to act for the agent, not only to modify its zone.
    """
    agent = memories.visible(request, agent_id)
    if not (moves.may_act_for if governs else _may_steer)(request.user, agent):
        text = f"You may look at {agent.zone}, not change what is in it."
        return live.notice(request, text, status=403, kind="bad", refresh=False)
    try:
        done = act(agent, f"user:{request.user.get_username()}")
    except (AgentError, ZoneError) as error:
        return live.notice(request, str(error), status=409, kind="bad")
    return live.notice(request, done.text, undo=done.undo)


def _may_steer(user: Any, agent: Any) -> bool:
    return agents.may_steer(agent, user)


def _undo(agent: Any, name: str, label: str = "Undo", **given: str) -> live.Undo:
    return live.Undo(reverse(f"agent-{name}", args=[agent.pk]), label, given)


@require_POST
@live.door("thunderpac")
@once
def force_tick(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Make the agent tick now."""

    def act(agent: Any, by: str) -> Done:
        return Done(f"{agent.name} did tick {actions.force_tick(agent_id, by=by)}.")

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def suspend(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Stop the agent where it is."""

    def act(agent: Any, by: str) -> Done:
        actions.suspend([agent_id], by=by, reason=FROM_PAGE)
        return Done(f"{agent.name} is suspended and will not tick until woken.", _undo(agent, "wake"))

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def wake(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Let the agent tick again, from whatever state it rests in."""

    def act(agent: Any, by: str) -> Done:
        actions.activate([agent_id], by=by)
        return Done(f"{agent.name} is awake and ticks at the next tick of its world.")

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def archive(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Take the agent out of its zone; all that it was is kept."""

    def act(agent: Any, by: str) -> Done:
        actions.archive([agent_id], by=by, reason=FROM_PAGE)
        return Done(f"{agent.name} is archived.", _undo(agent, "restore", was=agent.lifecycle))

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def restore(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Bring an archived agent back into its zone, as it `was`: `dormant` (when nothing is said), active or suspended.

    Tokens that ended when it was archived stay ended.
    """
    was = request.POST.get("was", "dormant")

    def act(agent: Any, by: str) -> Done:
        if was not in ("active", "dormant", "suspended"):
            raise Invalid(f"nobody is brought back {was[:20]!r}")
        with transaction.atomic():
            actions.unarchive([agent_id], by=by)
            if was != "dormant":
                actions.activate([agent_id], by=by)
            if was == "suspended":
                actions.suspend([agent_id], by=by, reason=FROM_PAGE)
        return Done(f"{agent.name} is back in {agent.zone.name}, {was}.")

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def move(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Bring the agent into a neighbouring `zone`."""

    def act(agent: Any, by: str) -> Done:
        there = request.POST.get("zone", "")
        moved = moves.enter(there, agent_id, user=request.user, by=by)
        names = zones.names([UUID(moved["zone_id"])], user=request.user)
        place = names[UUID(moved["zone_id"])]
        if not moved["moved"]:
            return Done(f"{agent.name} is in {place} already.")
        return Done(f"{agent.name} is in {place} now.", _undo(agent, "move", "Move it back", zone=moved["origin"]))

    return _steer(request, agent_id, act, governs=True)

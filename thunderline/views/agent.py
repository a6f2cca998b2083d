"""The page of an agent, and the buttons on it. Agents of worlds that a user may not see are not there for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from agents import actions, decide, perceive
from agents import queries as agents
from agents.errors import AgentError
from agents.facts import energy_band
from memory import queries as memory
from thunderline.views import live
from zones.errors import ZoneError

TICKS_SHOWN = 20
MEMORIES_SHOWN = 20


def _visible(request: HttpRequest, agent_id: UUID) -> Any:
    agent = agents.visible(agent_id, request.user)
    if agent is None:
        raise Http404
    return agent


@live.door("thunderpac")
def show(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Everything of one agent, in the same number of queries whatever it has lived through."""
    agent = _visible(request, agent_id)
    mods = agents.mods(agent_id)
    stats, traits, *_ = perceive.modified(agent, [mod.effects for mod in mods])
    needs = decide.needs(stats, traits, any(goal["progress"] < 1 for goal in agent.goals))
    ticks = agents.ticks(agent_id, limit=TICKS_SHOWN)
    steers = agents.may_steer(agent, request.user)
    panels = [
        live.Panel("agent_head", {"agent": agent, "steers": steers}),
        live.Panel("agent_now", {"agent": agent, "needs": needs, "band": energy_band(agent.energy)}),
        live.Panel("agent_self", {"agent": agent, "mods": mods}),
        live.Panel("agent_ticks", {"agent": agent, "ticks": ticks, "more": len(ticks) == TICKS_SHOWN}),
    ]
    if request.headers.get("HX-Request"):
        return live.respond(request, "agent.html", panels, {"agent": agent})
    shut = live.shut("thundervault")
    remembered = [] if shut else memory.latest(agent_id, limit=MEMORIES_SHOWN)
    return live.respond(request, "agent.html", panels, {"agent": agent, "memories": remembered, "shut": shut})


@live.door("thundervault")
def memories(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The memories nearest in meaning to `q`, or the newest when nothing is asked."""
    agent = _visible(request, agent_id)
    wanted = live.asked(request)[:500]
    found = (
        memory.search(agent_id, wanted, limit=MEMORIES_SHOWN)
        if wanted
        else memory.latest(agent_id, limit=MEMORIES_SHOWN)
    )
    return render(request, "parts/memories.html", {"agent": agent, "memories": found, "wanted": wanted})


@live.door("thunderpac")
def ticks(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Older ticks, those below the number `before`."""
    agent = _visible(request, agent_id)
    before = request.GET.get("before", "")
    if not before.isdecimal() or len(before) > 18:
        raise Http404
    older = agents.ticks(agent_id, limit=TICKS_SHOWN, before=int(before))
    return render(request, "parts/ticks.html", {"agent": agent, "ticks": older, "more": len(older) == TICKS_SHOWN})


# --- Buttons -------------------------------------------------------------------------------------------------


def _steer(request: HttpRequest, agent_id: UUID, act: Callable[[Any, str], str]) -> HttpResponse:
    """Let `act` do something to an agent, as the user; what is refused is told in a line."""
    agent = _visible(request, agent_id)
    if not agents.may_steer(agent, request.user):
        text = f"You may look at {agent.zone}, not change what is in it."
        return live.notice(request, text, status=403, kind="bad", refresh=False)
    try:
        text = act(agent, f"user:{request.user.get_username()}")
    except (AgentError, ZoneError) as error:
        return live.notice(request, str(error), status=409, kind="bad")
    return live.notice(request, text)


@require_POST
@live.door("thunderpac")
def force_tick(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Make the agent tick now."""

    def act(agent: Any, by: str) -> str:
        return f"{agent.name} did tick {actions.force_tick(agent_id, by=by)}."

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def suspend(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Stop the agent where it is."""

    def act(agent: Any, by: str) -> str:
        actions.suspend([agent_id], by=by, reason="from its page")
        return f"{agent.name} is suspended and will not tick until woken."

    return _steer(request, agent_id, act)


@require_POST
@live.door("thunderpac")
def wake(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Let the agent tick again, from whatever state it rests in."""

    def act(agent: Any, by: str) -> str:
        actions.activate([agent_id], by=by)
        return f"{agent.name} is awake and ticks at the next tick of its world."

    return _steer(request, agent_id, act)

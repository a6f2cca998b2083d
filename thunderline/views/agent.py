"""The page of an agent, and talking to it. Agents of worlds that a user may not see are not there for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from agents import actions, converse, decide, mailbox, perceive, reasoners
from agents import queries as agents
from agents.actions import moves
from agents.errors import AgentError, Invalid
from agents.facts import energy_band
from agents.minds import usage
from domains.thundergate.repeats.forms import once
from thunderline.views import charted, live, memories, portrait
from zones import queries as zones
from zones.errors import ZoneError

TICKS_SHOWN = 20
TICKS_CHARTED = 300
OTHERS_SHOWN = 8
MESSAGES_SHOWN = 20
LONGEST_NUMBER = 18
"""Digits of a tick's or message's number; more do not fit a bigint."""


@live.door("thunderpac")
def show(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Everything of one agent, in the same number of queries whatever it has lived through."""
    agent = memories.visible(request, agent_id)
    mods = agents.mods(agent_id)
    stats, traits, *_ = perceive.modified(agent, [mod.effects for mod in mods])
    needs = decide.needs(stats, traits, any(goal["progress"] < 1 for goal in agent.goals))
    ticks = agents.ticks(agent_id, limit=TICKS_SHOWN)
    steers = agents.may_steer(agent, request.user)
    now = {"agent": agent, "needs": needs, "band": energy_band(agent.energy), "thought": _thought(agent)}
    panels = [
        live.Panel("agent_head", _head(agent, steers, request.user)),
        live.Panel("agent_now", now),
        live.Panel("agent_self", {"agent": agent, "mods": mods}),
        live.Panel("agent_others", {"agent": agent, "others": agents.relations(agent, limit=OTHERS_SHOWN)}),
        live.Panel("agent_talk", _talk(agent)),
        live.Panel("agent_voice", _voice(agent, steers)),
        live.Panel("agent_ticks", {"agent": agent, "ticks": ticks, "more": len(ticks) == TICKS_SHOWN}),
    ]
    if steers and (reasoners.thinks(agent.reasoner) or agent.narrator != "rules"):
        panels.append(live.Panel("cost", {"spent": usage.spent_by("agent", agent_id)}))
    if request.headers.get("HX-Request"):
        return live.respond(request, "agent.html", panels, {"agent": agent})
    wanted = memories.asked(request)
    context = {"agent": agent, "steers": steers, "asked": wanted}
    context["shut"] = live.shut("thundervault") or memories.closed(request, agent)
    if not context["shut"]:
        context |= memories.answer(agent, wanted) | {"held": memories.held(agent), "names": memories.names(agent)}
    response = live.respond(request, "agent.html", panels, context)
    response.status_code = 400 if wanted.problem else 200
    return response


def _head(agent: Any, steers: bool, user: Any) -> dict[str, Any]:
    """What stands at the top: a face, and what may be done with the agent. One query, where it may be moved."""
    ways: Sequence[Any] = []
    if agent.lifecycle in moves.MOVABLE and not agent.zone.closed and moves.may_act_for(user, agent):
        ways = [way for way in zones.neighbours(agent.zone_id) if way.permeability > 0 and not way.other.closed]
    face = portrait.portrait(agent.traits, agent.name)
    return {"agent": agent, "steers": steers, "ways": ways, "face": face, "name": agent.name}


@live.door("thunderpac")
def series(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """How stats (0–100) and mood (−1…1) came to be what they are: `{at: [s], ticks: […], values: {name: […]}}`.

    Instants are seconds since 1970, oldest first. Reckoned back from now through what the latest ticks changed; what
    changed them otherwise (a command, a mod) seems to have been there before. One query more than the agent's.
    """
    agent = memories.visible(request, agent_id)
    return JsonResponse(
        charted.values(agent.stats | {"mood": agent.mood}, agents.changes(agent_id, limit=TICKS_CHARTED))
    )


@live.door("thunderpac")
def ticks(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Older ticks, those below the number `before`."""
    agent = memories.visible(request, agent_id)
    older = agents.ticks(agent_id, limit=TICKS_SHOWN, before=_before(request))
    return render(request, "parts/ticks.html", {"agent": agent, "ticks": older, "more": len(older) == TICKS_SHOWN})


@live.door("thunderpac")
def messages(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Older messages, those below the number `before`."""
    return render(request, "parts/messages.html", _talk(memories.visible(request, agent_id), _before(request)))


def _before(request: HttpRequest) -> int:
    number = request.GET.get("before", "")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER:
        raise Http404
    return int(number)


def _talk(agent: Any, before: int | None = None) -> dict[str, Any]:
    said = mailbox.conversation(agent.pk, MESSAGES_SHOWN + 1, before)
    return {"agent": agent, "said": said[-MESSAGES_SHOWN:], "more": len(said) > MESSAGES_SHOWN}


def _voice(agent: Any, steers: bool) -> dict[str, Any]:
    """In whose voice one may speak, and what an operator would answer in the agent's."""
    waiting = mailbox.to_answer(agent.pk) if steers and agent.mail else None
    return {"agent": agent, "steers": steers, "waiting": waiting, "deaf": agent.lifecycle in ("archived", "seed")}


def _thought(agent: Any) -> Any:
    """What says that its model is being asked, if it is."""
    return getattr(agent, "thought", None) if reasoners.thinks(agent.reasoner) else None


# --- Conversation --------------------------------------------------------------------------------------------


@require_POST
@live.door("thunderpac")
@once
def say(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Say something to the agent; or, for who may steer it, answer what it was asked, in its place.

    `text`; `voice` is `own` or `agent`; `number` is the message that was on the page to be answered; `now` makes the
    agent tick at once.
    """
    agent = memories.visible(request, agent_id)
    text = request.POST.get("text", "").replace("\r\n", "\n").strip()
    by = f"user:{request.user.get_username()}"
    voice, now = request.POST.get("voice", ""), "now" in request.POST
    if (voice == "agent" or now) and not agents.may_steer(agent, request.user):
        refusal = f"You may talk to {agent.name}, not decide for it."
        return live.notice(request, refusal, status=403, kind="bad", refresh=False)
    try:
        told = _answer(request, agent, text, by) if voice == "agent" else _send(agent, text, by, voice=voice, now=now)
    except (AgentError, ZoneError) as error:
        return live.notice(request, str(error), status=409, kind="bad")
    return live.notice(request, told)


def _send(agent: Any, text: str, by: str, *, voice: str, now: bool) -> str:
    """Raises: AgentError, ZoneError."""
    if voice != "own":  # the answer that was being written has nothing to answer any more
        raise Invalid(f"Nothing waits for an answer of {agent.name}; nothing was said.")
    with transaction.atomic():  # what cannot be answered at once is not said either
        actions.send(agent.pk, text, by=by)
        if now:
            actions.force_tick(agent.pk, by=by)
    if now:
        return f"{agent.name} is thinking about it." if reasoners.thinks(agent.reasoner) else f"{agent.name} heard you."
    if agent.lifecycle == "active":
        return f"{agent.name} hears it at the next tick of its world."
    return f"{agent.name} is {agent.lifecycle} and hears it once it is awake."


def _answer(request: HttpRequest, agent: Any, text: str, by: str) -> str:
    """Raises: AgentError, ZoneError."""
    number = request.POST.get("number", "")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER:
        raise Invalid(f"Nothing waits for an answer of {agent.name}.")
    # Said here, because an answer without words would be made up by the rules, and a long one cut.
    if not text:
        raise Invalid("text: say something")
    if len(text) > converse.MAX_REPLY:
        raise Invalid(f"text: {len(text):,} characters are too many; an answer has {converse.MAX_REPLY:,} at most")
    actions.act_as(agent.pk, by=by, replies={int(number): text})
    return f"You answered in place of {agent.name}."

"""The page of an agent, and the buttons on it. Agents of worlds that a user may not see are not there for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from agents import actions, converse, decide, mailbox, perceive, reasoners
from agents import queries as agents
from agents.errors import AgentError, Invalid
from agents.facts import energy_band
from memory import queries as memory
from thunderline.views import live
from zones.errors import ZoneError

TICKS_SHOWN = 20
MEMORIES_SHOWN = 20
MESSAGES_SHOWN = 20
LONGEST_NUMBER = 18
"""Digits of a tick's or message's number; more do not fit a bigint."""


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
    now = {"agent": agent, "needs": needs, "band": energy_band(agent.energy), "thought": _thought(agent)}
    panels = [
        live.Panel("agent_head", {"agent": agent, "steers": steers}),
        live.Panel("agent_now", now),
        live.Panel("agent_self", {"agent": agent, "mods": mods}),
        live.Panel("agent_talk", _talk(agent)),
        live.Panel("agent_voice", _voice(agent, steers)),
        live.Panel("agent_ticks", {"agent": agent, "ticks": ticks, "more": len(ticks) == TICKS_SHOWN}),
    ]
    if request.headers.get("HX-Request"):
        return live.respond(request, "agent.html", panels, {"agent": agent})
    shut = live.shut("thundervault")
    remembered = [] if shut else memory.latest(agent_id, limit=MEMORIES_SHOWN)
    context = {"agent": agent, "memories": remembered, "shut": shut, "steers": steers}
    return live.respond(request, "agent.html", panels, context)


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
    older = agents.ticks(agent_id, limit=TICKS_SHOWN, before=_before(request))
    return render(request, "parts/ticks.html", {"agent": agent, "ticks": older, "more": len(older) == TICKS_SHOWN})


@live.door("thunderpac")
def messages(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Older messages, those below the number `before`."""
    return render(request, "parts/messages.html", _talk(_visible(request, agent_id), _before(request)))


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


# --- Conversation --------------------------------------------------------------------------------------------


@require_POST
@live.door("thunderpac")
def say(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Say something to the agent; or, for who may steer it, answer what it was asked, in its place.

    `text`; `voice` is `own` or `agent`; `number` is the message that was on the page to be answered; `now` makes the
    agent tick at once.
    """
    agent = _visible(request, agent_id)
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

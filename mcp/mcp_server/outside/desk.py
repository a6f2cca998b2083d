"""One round of `manage.py outside`, as far as the database goes: what came back, what is due, what may be called.

Everything about a call is decided here and nothing in the tick that wanted it: whether its tool is on and for that
world, whether its arguments fit, limits, the breaker. What is refused is told to the agent like what came back.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.actions import outside as calls
from agents.actions.outside import DONE, FAILED, REFUSED, Came, Taken
from agents.engine.faults import AWAY
from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderflow import breakers
from domains.thunderflow.actions import NewEvent
from domains.thunderflow.context import acting
from domains.thundergate import limits
from mcp_server import events, metrics
from mcp_server.calls import UNKNOWN
from mcp_server.outside import actions, client, listing, offers, schemas
from mcp_server.outside.client import Given
from mcp_server.outside.listing import Look, Looked
from mcp_server.outside.offers import Offer

logger = logging.getLogger(__name__)

MOST_IN_FLIGHT, MOST_AT_ONCE = 50, 20
MOST_TRIES = 3
LONGEST_WAIT = timedelta(minutes=10)
"""For a call to be taken up: later nobody wants to know any more."""
FIRST_DELAY_S = 1.0
BUSY_S = 0.5
"""Until a call is looked at again whose server has enough of them under way."""
MADE_NOT = frozenset({client.UNREACHABLE})
"""Failures of calls that never reached the server: they may be made again, whatever the tool."""
UNSURE = frozenset({client.TIMEOUT, client.SERVER_ERROR})
"""Of calls that may have been done: only where the server says that again does no harm."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to be made."""

    call: Taken
    offer: Offer
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended."""

    ask: Ask
    given: Given | None
    failure: client.Failed | None
    ms: float


@dataclass(slots=True)
class Round:
    """What is to be done now."""

    asks: list[Ask] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)


class _Refused(Exception):
    """A call is not to be made. `code` is stable; the message is what the agent is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Desk:
    """The database's side of the process. Not safe for several threads."""

    def __init__(self) -> None:
        self.id: UUID = new_id()
        self._renewed = float("-inf")
        self._guards: dict[str, breakers.Guard] = {}
        self._results: list[Result] = []
        self._looked: list[Looked] = []

    def round(self, results: Sequence[Result], looked: Sequence[Looked], in_flight: Sequence[Ask]) -> Round:
        """Write down what came back and take up what is due. What cannot be written now is kept for the next time."""
        self._results += results
        self._looked += looked
        with acting(actor="outside"):
            self._renew([*in_flight, *(result.ask for result in self._results)])
            self._note()
            if not _may_work():
                return Round()
            return Round(self._take(in_flight), listing.take())

    def close(self, results: Sequence[Result], looked: Sequence[Looked]) -> None:
        """Write down what came back last, and give everything back: the process ends."""
        self._results += results
        self._looked += looked
        with acting(actor="outside"):
            self._note()
        calls.release(self.id)

    def _note(self) -> None:
        """One by one, so that what the database undoes is noted again the next time, and a mistake stops nothing."""
        while self._results:
            with _mistakes(f"the end of a call of {self._results[0].ask.call.tool}"):
                self._end(self._results[0])
            self._results.pop(0)
        while self._looked:
            with _mistakes(f"what {self._looked[0].server.name} answered"):
                listing.note(self._looked[0])
            self._looked.pop(0)

    def _renew(self, in_flight: Sequence[Ask]) -> None:
        if time.monotonic() - self._renewed > calls.RENEW_S:
            calls.renew(self.id, [ask.call.id for ask in in_flight])
            self._renewed = time.monotonic()

    # --- What is due -----------------------------------------------------------------------------------------

    def _take(self, in_flight: Sequence[Ask]) -> list[Ask]:
        room = min(MOST_AT_ONCE, MOST_IN_FLIGHT - len(in_flight))
        taken = calls.take(self.id, room) if room > 0 else []
        if not taken:
            return []
        busy, asks = Counter(ask.offer.server.name for ask in in_flight), []
        for call in taken:
            with _mistakes(f"a call of {call.tool}"):  # it is taken up again when its lease is over
                try:
                    ask = self._checked(call, busy)
                except _Refused as refusal:
                    self._tell(call, Came(REFUSED, refusal.code, str(refusal)))
                    continue
                if ask is None:
                    calls.put_back(self.id, [call.id], BUSY_S)
                    continue
                asks.append(ask)
                busy[ask.offer.server.name] += 1
        return asks

    def _checked(self, call: Taken, busy: Counter[str]) -> Ask | None:
        """The call, if it may be made; None: not just now, as its server has enough to do. Raises: _Refused."""
        if call.attempt > MOST_TRIES:
            raise _Refused("lost", f"{call.tool} was tried {MOST_TRIES} times, and nobody knows what came")
        offer = _offer(call)
        if timezone.now() - call.started_at > LONGEST_WAIT:
            raise _Refused("too_late", f"{call.tool} could not be reached for long")
        given = schemas.filled(offer.input, call.arguments, call.about) if call.about else dict(call.arguments)
        if problem := schemas.problem(offer.input, given):
            raise _Refused("invalid_arguments", f"{call.tool}: {problem}")
        if self._guard(offer).resting():
            raise _Refused("resting", f"{offer.server.name} has failed often, and is left alone for a while")
        if busy[offer.server.name] >= self._at_once(offer):
            return None
        if call.attempt == 1 and (limited := _limited(call, offer)):
            raise _Refused("rate_limited", limited)
        return Ask(call, offer, given)

    def _at_once(self, offer: Offer) -> int:
        """One, while it is not known whether the server works again."""
        name = actions.breaker_name(offer.server.name)
        return offer.server.max_in_flight if breakers.states([name])[name].state == breakers.CLOSED else 1

    def _guard(self, offer: Offer) -> breakers.Guard:
        name = offer.server.name
        return self._guards.setdefault(name, breakers.Guard(actions.breaker_name(name)))

    # --- What came back --------------------------------------------------------------------------------------

    def _end(self, result: Result) -> None:
        ask, failure = result.ask, result.failure
        metrics.outside_seconds.labels(ask.call.tool).observe(result.ms / 1000)
        self._guard(ask.offer).note(failure if failure is not None and failure.fault else None)
        if failure is not None and self._again(result, failure):
            return
        self._tell(ask.call, _came(result))

    def _again(self, result: Result, failure: client.Failed) -> bool:
        """Whether another try is to be made, and it is written that it is."""
        ask = result.ask
        if failure.code not in MADE_NOT and not (failure.code in UNSURE and ask.offer.again):
            return False
        if ask.call.attempt >= MOST_TRIES:
            return False
        delay_s = FIRST_DELAY_S * 2 ** (ask.call.attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads tries
        calls.try_again(self.id, ask.call.id, delay_s, str(failure))
        return True

    def _tell(self, call: Taken, came: Came) -> None:
        def told(reached: bool) -> NewEvent:
            payload = events.OutsideCalled(
                call_id=call.id, tool=call.tool, outcome=came.code or came.status, ms=came.ms, attempt=call.attempt,
                agent_id=call.agent_id, world_id=call.world_id, told=reached,
            )  # fmt: skip
            return NewEvent(events.STREAM, payload.topic, payload)

        if calls.end(call, came, holder=self.id, told=told):
            label = call.tool if came.code != "unknown_tool" else UNKNOWN
            metrics.outside_calls.labels(label, came.code or came.status).inc()
        else:
            logger.warning("the call %s of %s was somebody else's by then", call.id, call.tool)


@contextmanager
def _mistakes(of: str) -> Iterator[None]:
    """Log what goes wrong by a mistake of ours. Raises: what is in `AWAY`."""
    try:
        yield
    except AWAY:
        raise
    except Exception:
        logger.exception("%s could not be worked off", of)


def _came(result: Result) -> Came:
    ask, given, failure = result.ask, result.given, result.failure
    if given is None:
        code, text = (failure.code, str(failure)) if failure is not None else (client.SERVER_ERROR, "nothing came")
        return Came(FAILED, code, f"{ask.call.tool}: {text}", ask.arguments, result.ms)
    if ask.offer.output is not None:
        problem = "it has no structured content" if not given.structured else ""
        if problem := problem or schemas.problem(ask.offer.output, given.data):
            text = f"{ask.call.tool}: its result is not as it says: {problem}"
            return Came(FAILED, "invalid_result", text, ask.arguments, given.ms)
    return Came(DONE, "", given.text, ask.arguments, given.ms)


def _offer(call: Taken) -> Offer:
    """The tool that is called, if it may be used there. Raises: _Refused."""
    offer = offers.offers().get(call.tool)
    if offer is None:
        raise _Refused("unknown_tool", f"there is no tool {call.tool}")
    if refusal := offer.refusal(call.world_id):
        raise _Refused("forbidden", f"{call.tool}: {refusal}")
    return offer


def _limited(call: Taken, offer: Offer) -> str:
    """The sentence of the limit that is reached, of the agent's or of all; empty: none is."""
    server = offer.server
    for identity, most in (
        (f"agent:{call.agent_id}:{server.name}", server.agent_calls_per_minute),
        (f"outside:{server.name}", server.calls_per_minute),
    ):
        verdict = limits.take(identity, "outside", most=most)
        if not verdict.allowed:
            return f"{call.tool}: {verdict.sentence}"
    return ""


def _may_work() -> bool:
    try:
        guards.require("thundermcp")
        guards.require("thunderpac")
    except guards.DomainInactive:
        return False
    return True

"""One round of a reasoner process, as far as the database goes: note what came back, act on it, take up what is due."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import partitions
from agents.engine.chunk import Visit
from agents.engine.faults import AWAY
from agents.facts import Answer
from agents.minds import acting, asking, budget, calls, endpoints, thoughts
from agents.minds.asking import Prepared, Ready
from agents.minds.budget import Spent
from agents.minds.calls import Ask, Result
from agents.minds.client import RETRIED
from agents.minds.endpoints import Health, Seen, Setting
from agents.minds.thoughts import Taken
from domains import sql
from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderflow.context import acting as acting_as

logger = logging.getLogger(__name__)

MOST_IN_FLIGHT = 500
"""Calls at once, of one process."""
MOST_AT_ONCE = 12
"""Agents that one round acts for or takes up. With more, those that were asked together would be answered, and wait,
together for ever; with few they spread out in time."""
FRESH_S = 1.0
"""How old what is known of endpoints, words and the switch may be."""
LOOK_S = 0.1
"""After a look that found nobody due, until the next one."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0

# What is lost with a power cut is asked again; the ticks themselves are committed for good, which their own
# transactions see to.
LIGHTLY = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan"


@dataclass(slots=True)
class Round:
    """What came of a round."""

    asks: list[Ask] = field(default_factory=list)
    """Calls to be made now."""
    stopped: bool = False
    """Calls under way shall end at once."""
    waiting: bool = False
    """There is more to be done at once."""


class Mind:
    """The database's side of a reasoner process. Not safe for several threads."""

    def __init__(self) -> None:
        self.id: UUID = new_id()
        self.queue = acting.Queue()
        self._health = Health()
        self._setting: tuple[float, Setting] | None = None
        self._renewed = float("-inf")
        self._connection: object = None
        self._look_at = 0.0
        self._results: list[Result] = []
        """Calls that have ended, until that is written down."""

    def round(self, results: Sequence[Result], in_flight: Sequence[Ask]) -> Round:
        """Work off results and take up what is due. `in_flight` are the calls that go on. One query when idle."""
        with acting_as(actor="reasoner"):
            self._connect()
            partitions.ensure_now_and_then()
            self._results += results
            self._health.note([seen(result) for result in results if tells(result)])
            self._renew(in_flight)
            asks = self._work(in_flight)
            try:
                asks += self._take([*in_flight, *asks])
            except AWAY:
                if not asks:
                    raise  # else what was prepared before is asked all the same
        return Round(asks, stopped=bool(self.setting().stopped), waiting=bool(self.queue.ready))

    def _note(self, results: Sequence[Result]) -> list[Spent]:
        """Write down how calls ended. Returns by how much they were cheaper."""
        ended = calls.complete(results)
        again = [(r.ask.agent_id, _delay_s(r), str(r.failure)[:500]) for r in results if _again(r)]
        thoughts.retry(self.id, again)
        return [
            (r.ask.started_at, r.ask.wanted.targets, spent - r.ask.wanted.most)
            for r in ended
            if (spent := r.came_to()) is not None
        ]

    def _work(self, in_flight: Sequence[Ask]) -> list[Ask]:
        """Note results and apply answers. Returns what is to be asked for those who were due again at once.

        What cannot be written now is kept for the next time.
        """
        setting, busy, results = self.setting(), _busy(in_flight), self._results

        def think_on(visits: Sequence[Visit]) -> Prepared:
            due = [(agent.id, visit.zone.tick) for visit in visits for agent in visit.agents]
            if not due or not self._may_work() or len(in_flight) + len(due) > MOST_IN_FLIGHT:
                return Prepared()
            return asking.prepare_seen(thoughts.again(self.id, due), visits, setting, busy, self.id)

        fresh = [_ready(result) for result in results if not _again(result)]
        if fresh or self.queue.ready:
            done = self.queue.work(fresh, self.id, lambda: self._note(results), think_on, most=MOST_AT_ONCE)
        else:
            done = Prepared()
            if results:
                with transaction.atomic():
                    budget.count(self._note(results))
        self._results = []
        if any(result.failure for result in results):
            self._setting = None  # breakers may have opened
        return done.asks

    def _take(self, in_flight: Sequence[Ask]) -> list[Ask]:
        """Take up agents who are due, unless there is work left that they would only wait behind."""
        room = min(MOST_AT_ONCE - len(self.queue.ready), MOST_IN_FLIGHT - len(in_flight))
        if room <= 0 or not self._may_work() or time.monotonic() < self._look_at:
            return []
        taken = thoughts.take(self.id, room)
        if not taken:
            self._look_at = time.monotonic() + LOOK_S
            return []
        try:
            prepared = self._prepare(taken, in_flight)
        except AWAY:
            raise
        except Exception as error:
            logger.warning("%d questions are put one by one, for %r", len(taken), error)
            return [ask for one in taken for ask in self._prepare_alone(one, in_flight)]
        self.queue.add(prepared.ready)
        return prepared.asks

    def _prepare(self, taken: Sequence[Taken], in_flight: Sequence[Ask]) -> Prepared:
        with transaction.atomic():
            return asking.prepare(taken, self.setting(), _busy(in_flight), self.id)

    def _prepare_alone(self, one: Taken, in_flight: Sequence[Ask]) -> list[Ask]:
        """One agent's question by itself. Where even that fails, the rules decide, and the log says why."""
        try:
            prepared = self._prepare([one], in_flight)
        except AWAY:
            raise
        except Exception as error:
            logger.exception("the question of agent %s failed", one.agent_id)
            answer = Answer(one.asked_tick, error=f"the question: {type(error).__name__}: {error}")
            prepared = Prepared(ready=[Ready(one.agent_id, answer)])
        self.queue.add(prepared.ready)
        return prepared.asks

    def setting(self) -> Setting:
        """Endpoints, words and the switch, as of a second ago at most."""
        if self._setting is None or time.monotonic() - self._setting[0] > FRESH_S:
            self._setting = (time.monotonic(), endpoints.read())
        return self._setting[1]

    def look_again(self) -> None:
        """Something may have changed: read the settings anew at the next round."""
        self._setting, self._look_at = None, 0.0

    def release(self) -> None:
        """Give everything back, as the process ends."""
        thoughts.release(self.id)

    def _connect(self) -> None:
        """Once for each connection: commits need not wait for the disk, but for those of ticks."""
        if self._connection is not sql.raw():
            sql.raw().execute(LIGHTLY)
            self._connection = sql.raw()

    def _renew(self, in_flight: Sequence[Ask]) -> None:
        if time.monotonic() - self._renewed > thoughts.RENEW_S:
            ended = [result.ask.agent_id for result in self._results]
            mine = [*(ask.agent_id for ask in in_flight), *(one.agent_id for one in self.queue.ready), *ended]
            thoughts.renew(self.id, mine, len(in_flight))
            self._renewed = time.monotonic()

    @staticmethod
    def _may_work() -> bool:
        try:
            guards.require("thunderpac")
        except guards.DomainInactive:
            return False
        return True


def _busy(in_flight: Sequence[Ask]) -> dict[UUID, int]:
    """Calls under way at each endpoint."""
    return Counter(ask.endpoint.id for ask in in_flight)


def tells(result: Result) -> bool:
    """Whether it says something new of its endpoint: a failure, or an answer after failures."""
    return result.failure is not None or (result.reply is not None and not result.ask.endpoint.breaker.sound)


def _again(result: Result) -> bool:
    """Whether a failed call shall be made again."""
    failure = result.failure
    return failure is not None and failure.error_class in RETRIED and result.ask.attempt < result.ask.endpoint.max_tries


def _delay_s(result: Result) -> float:
    """Until the next try: what the endpoint asks for, at least a time that doubles, and a little chance."""
    own = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (result.ask.attempt - 1))
    asked = result.failure.rest_s if result.failure else 0.0
    return max(asked, own) * random.uniform(1.0, 1.3)  # noqa: S311 - only spreads the tries


def seen(result: Result) -> Seen:
    """What a call that ended tells of its endpoint."""
    failure, endpoint = result.failure, result.ask.endpoint
    if failure is None:
        return Seen(endpoint.id, endpoint.name)
    rate_limited = failure.error_class == "transient" and str(failure).startswith("429")
    fault = (failure.error_class in RETRIED and not rate_limited) or failure.error_class == "security"
    return Seen(endpoint.id, endpoint.name, str(failure) or failure.error_class, fault, failure.rest_s)


def _ready(result: Result) -> Ready:
    """The answer to apply: the model's, or the rules' with the reason."""
    ask, reply = result.ask, result.reply
    usage: dict[str, Any] = {
        "call": str(ask.call_id), "endpoint": ask.endpoint.name, "model": ask.endpoint.model, "attempt": ask.attempt,
        **ask.route,
    }  # fmt: skip
    error = None
    if reply is not None:
        prompt, completion = result.tokens()
        spent = result.came_to()
        usage |= {"prompt_tokens": prompt, "completion_tokens": completion, "ms": reply.ms}
        usage |= {"cost": float(spent.cost) if spent else 0.0}
    elif result.failure is not None:
        error = f"{ask.endpoint.name} ({result.failure.error_class}): {result.failure}"
    else:
        error = "the call was stopped"
    answer = Answer(ask.asked_tick, reply.text if reply else "", error, usage, ask.heard, ask.told)
    return Ready(ask.agent_id, answer, ask.call_id)

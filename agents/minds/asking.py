"""From agents who are due to calls that may be made, or to the word that the rules shall decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

import orjson

from agents import reasoners
from agents.engine import chunk, rows
from agents.engine.chunk import Visit
from agents.facts import Answer, Facts
from agents.minds import budget, calls, endpoints, prompts, thoughts
from agents.minds.budget import Amount, Ledger, Spent, Wanted
from agents.minds.calls import Ask
from agents.minds.endpoints import Asked, Setting
from agents.minds.thoughts import Taken
from agents.reasoners import RULES, Route, ThinkingReasoner
from memory import actions
from memory import queries as memory
from memory.actions import Recall
from memory.queries import Found
from zones.actions import clock

RECALLED = 5
"""Memories that are looked up for a question."""
RECALLED_FROM = 0.2
"""Least score of them: what only happens to be recent or important has less."""
MOST_OF_EACH = 500
"""Characters of a memory that a question repeats."""
CROWDED_S = 0.1
"""Until an agent is looked at again whose endpoint has enough calls in flight."""


class Ready(NamedTuple):
    """An answer that is to be applied."""

    agent_id: UUID
    answer: Answer
    call_id: UUID | None = None


@dataclass(slots=True)
class Prepared:
    """What came of a look at those who are due."""

    asks: list[Ask] = field(default_factory=list)
    ready: list[Ready] = field(default_factory=list)
    crowded: list[UUID] = field(default_factory=list)
    """Whose endpoint has enough to do."""
    gone: list[UUID] = field(default_factory=list)
    """Who is not active, or elsewhere, by now."""
    kept: list[UUID] = field(default_factory=list)
    """Whose leases were prolonged for it."""

    @property
    def set_aside(self) -> list[Spent]:
        """What the calls may cost; to be counted in the transaction in which they were prepared."""
        return [(ask.started_at, ask.wanted.targets, ask.wanted.most) for ask in self.asks]


class _Refused(Exception):
    """No model may be asked; the message says why."""


class _Crowded(Exception):
    """The endpoint has as many calls in flight as it shall have."""


def prepare(taken: Sequence[Taken], setting: Setting, in_flight: Mapping[UUID, int], holder: UUID) -> Prepared:
    """Look at agents under lease, put their questions into words, and set aside what the calls may cost.

    Needs an open transaction, and no lock of zones: what is asked need not be of one moment with anything else.
    """
    if not taken:
        return Prepared()
    found = _prepare(taken, _look(taken), setting, in_flight, holder)
    budget.count(found.set_aside)
    return found


def prepare_seen(
    taken: Sequence[Taken], visits: Sequence[Visit], setting: Setting, in_flight: Mapping[UUID, int], holder: UUID
) -> Prepared:
    """The same for agents who have just acted in zones that are locked, and are due again at once.

    What the calls may cost is left to be counted by the caller, together with what others did.
    """
    facts, _ = chunk.look(visits, only=True)
    found = _prepare(taken, {f.me.id: f for f in facts}, setting, in_flight, holder)
    found.kept = [one.agent_id for one in taken]
    return found


def _prepare(
    taken: Sequence[Taken], facts: Mapping[UUID, Facts], setting: Setting, in_flight: Mapping[UUID, int], holder: UUID
) -> Prepared:
    found = Prepared()
    found.gone = [one.agent_id for one in taken if one.agent_id not in facts]
    here = [one for one in taken if one.agent_id in facts]
    recalled = _recall([facts[one.agent_id] for one in here])
    money = budget.ledger(_targets(here, setting)) if setting.capped else budget.Ledger([])
    desk = _Desk(setting, money, dict(in_flight), taken[0].at)
    for one, memories in zip(here, recalled, strict=True):
        desk.serve(one, facts[one.agent_id], [best.content[:MOST_OF_EACH] for best in memories], found)
    calls.begin(found.asks)
    _count(found.asks, {one.agent_id: memories for one, memories in zip(here, recalled, strict=True)}, taken[0].at)
    thoughts.postpone(holder, found.crowded, CROWDED_S)
    thoughts.finish(holder, found.gone)
    return found


def _look(taken: Sequence[Taken]) -> dict[UUID, Facts]:
    """What each agent perceives, by its id; without those who are gone."""
    zones = {zone.id: zone for zone in clock.look({one.zone_id for one in taken})}  # type: ignore[arg-type]
    present = rows.read_many([(one.agent_id, one.zone_id) for one in taken])
    visits = [Visit(zones[zone_id], agents, finish=False) for zone_id, agents in present.items() if zone_id in zones]
    facts, _ = chunk.look(visits, only=True)
    return {f.me.id: f for f in facts}


def _recall(facts: Sequence[Facts]) -> list[list[Found]]:
    found = memory.search_many([(f.me.id, prompts.question(f)) for f in facts], limit=RECALLED)
    return [[one for one in best if one.score >= RECALLED_FROM] for best in found]


def _count(asks: Sequence[Ask], recalled: Mapping[UUID, Sequence[Found]], now: datetime) -> None:
    """What stands in a question was recalled; agents whose model is not asked have recalled nothing."""
    if asks:
        recalls = [Recall(ask.agent_id, tuple(one.id for one in recalled[ask.agent_id])) for ask in asks]
        actions.recalled(recalls, now=now)


def _targets(taken: Iterable[Taken], setting: Setting) -> set[budget.Target]:
    targets: set[budget.Target] = {("endpoint", endpoint.id) for endpoint in setting.endpoints.values()}
    for one in taken:
        targets |= {("agent", one.agent_id), ("world", one.world_id)}
    return targets


class _Desk:
    """Decides for one agent after the other, with what the ones before it have taken already."""

    def __init__(self, setting: Setting, money: Ledger, in_flight: dict[UUID, int], now: datetime) -> None:
        self.setting, self.money, self.now = setting, money, now
        self.in_flight: dict[UUID, int] = defaultdict(int, in_flight)

    def serve(self, one: Taken, facts: Facts, recalled: Sequence[str], found: Prepared) -> None:
        """Put an agent's question, or the reason why there is none, where it belongs."""
        kind = reasoners.get(facts.me.reasoner)
        route = Route(RULES)
        try:
            if not reasoners.thinks(facts.me.reasoner):
                raise _Refused(f"there is no reasoner of kind {facts.me.reasoner!r} that thinks")
            left = self.money.left((("agent", one.agent_id), ("world", one.world_id)))
            route = cast(ThinkingReasoner, kind).route(facts, left)
            if route.tier == RULES:
                found.ready.append(Ready(one.agent_id, _no_answer(one, facts, route, None)))
                return
            found.asks.append(self._ask(one, facts, route, recalled))
        except _Crowded:
            found.crowded.append(one.agent_id)
        except (_Refused, prompts.BadTemplate) as error:
            found.ready.append(Ready(one.agent_id, _no_answer(one, facts, route, str(error))))

    def _ask(self, one: Taken, facts: Facts, route: Route, recalled: Sequence[str]) -> Ask:
        """Raises: _Refused, _Crowded, prompts.BadTemplate."""
        endpoint = self._endpoint(one, route)
        character = prompts.Character(one.description, one.system_prompt, one.temperature, one.max_tokens)
        request = prompts.request(
            self.setting.words, facts, character, recalled,
            model=endpoint.model, structured=endpoint.structured, most=endpoint.max_tokens,
        )  # fmt: skip
        body = orjson.dumps(request)
        tokens, dollars = endpoints.most(endpoint, len(body), request["max_tokens"])
        wanted = Wanted(one.agent_id, one.world_id, endpoint.id, Amount(1, tokens, dollars), endpoint.rates is not None)
        if refusal := self.money.refusal(wanted):
            raise _Refused(refusal)
        self.money.take(wanted)
        self.in_flight[endpoint.id] += 1
        return Ask(
            call_id=one.call_id,
            agent_id=one.agent_id,
            endpoint=endpoint,
            body=body,
            length=sum(len(message["content"]) for message in request["messages"]),
            attempt=one.attempt,
            asked_tick=one.asked_tick,
            tick_number=facts.me.tick_number + 1,
            template_version=self.setting.words.version,
            wanted=wanted,
            heard=_heard(facts),
            told=frozenset((*recalled, *(memory[1] for memory in facts.me.memories))),
            route={"route": route.tier, "scores": dict(route.scores)} if route.scores else {},
            started_at=self.now,
        )

    def _endpoint(self, one: Taken, route: Route) -> Asked:
        """Raises: _Refused, _Crowded."""
        if self.setting.stopped:
            raise _Refused(self.setting.stopped)
        endpoint = self.setting.pick(route.tier, one.model)
        if isinstance(endpoint, str):
            raise _Refused(endpoint)
        if endpoint.unusable:
            raise _Refused(endpoint.unusable)
        if one.attempt > endpoint.max_tries:
            raise _Refused(f"{endpoint.name} was tried {one.attempt - 1} times: {one.last_error}")
        if endpoint.resting(self.now):
            raise _Refused(f"{endpoint.name} is left alone for a while: {one.last_error or 'it failed repeatedly'}")
        if self.in_flight[endpoint.id] >= endpoint.at_once():
            raise _Crowded
        return endpoint


def _heard(facts: Facts) -> frozenset[int]:
    return frozenset(heard.number for heard in facts.messages)


def _no_answer(one: Taken, facts: Facts, route: Route, error: str | None) -> Answer:
    usage = {"route": RULES, "scores": dict(route.scores)} if route.scores else None
    return Answer(one.asked_tick, error=error, usage=usage, heard=_heard(facts))

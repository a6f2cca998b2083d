"""A chunk of agents: perceive → decide → review → apply → remember → narrate → record.

Needs the locks of their zones and an open transaction. Then one UPDATE and a COPY each for logs, memories and events,
however many agents and zones there are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

import orjson

from agents import converse, events, metrics, narrative, reasoners, review
from agents.engine import apply, board, evidence, mail, outside, rows
from agents.engine.apply import Ticked
from agents.engine.faults import AWAY
from agents.facts import AgentState, Decision, Facts
from agents.perceive import Bystander, perceive
from domains.chance import Chance
from domains.ids import new_raw_id
from domains.thunderflow.actions import NewEvent
from memory import actions as memory
from zones.actions import clock
from zones.events import zone_topic
from zones.state import ZoneState

logger = logging.getLogger(__name__)
ROSTER_LIMIT = 400


_UNDECIDED = Decision("")


class Stages:
    """Milliseconds of each stage of one chunk."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Time a block as one stage."""
        started = time.perf_counter()
        yield
        self.ms[name] = round((time.perf_counter() - started) * 1000, 3)


@dataclass(frozen=True, slots=True)
class Visit:
    """A locked zone, and those of its agents who tick now, by ordinal."""

    zone: ZoneState
    agents: list[AgentState]
    finish: bool
    """Nobody else is due in it at this tick."""
    others: Sequence[AgentState] = ()
    """Those who do not tick now because they think with a model; they can be met."""
    met: list[Bystander] = field(default_factory=list)
    """Who can be met, by ordinal, once somebody has looked; kept for a second look under the same lock."""

    @property
    def everybody(self) -> bool:
        """Whether no agent of the zone is left out."""
        return len(self.agents) > 0 and len(self.agents) + len(self.others) == self.zone.agent_count


def tick_agents(visits: Sequence[Visit], now: datetime) -> list[NewEvent]:
    """Tick the agents and write everything but the zones' rows. Returns events yet to be published."""
    agents = [agent for visit in visits for agent in visit.agents]
    if not agents:
        return []
    stages = Stages()
    with stages.time("perceive"):
        facts, ended = look(visits)
    with stages.time("decide"):
        decisions, errors = decide(facts)
    with stages.time("review"):
        verdicts = [review.review(decision, f) for decision, f in zip(decisions, facts, strict=True)]
    with stages.time("apply"):
        ticked = apply.apply_all(facts, verdicts, errors)
    with stages.time("remember"):
        for one in ticked:
            apply.remember(one)
        _store(ticked)
        evidence.ground(ticked, now)
    with stages.time("narrate"):
        chances = Chance.many(
            ((one.facts.seed, one.agent.ordinal, one.agent.tick_number) for one in ticked), "narrative"
        )
        for one, chance in zip(ticked, chances, strict=True):
            one.narrative = _story(one, chance)
            one.state_hash = apply.state_hash(one.agent, one.facts.zone.ordinal)
    with stages.time("record"):
        rows.write_agents(agents)
        _depart(ticked)
        answers = _speak(ticked, now)
        board.leave((one.facts, one.outcome.puts) for one in ticked if one.outcome.puts)
        outside.leave(((one.facts, one.outcome.wishes) for one in ticked if one.outcome.wishes), now)
        told = [*_endings(facts, ended), *_events(ticked, answers)]
    rows.write_logs(_logs(ticked, stages.ms, now))
    _count(stages, len(ticked))
    return told


def _store(ticked: Sequence[Ticked]) -> None:
    """Store what they formed; what repeats what their models were told they remember is dropped."""
    told = {one.agent.id: one.agent.answer.told for one in ticked if one.agent.answer is not None}
    stored = iter(memory.store_many([m for one in ticked for m in one.memories], recalled=told))
    for one in ticked:
        ids = islice(stored, len(one.memories))
        one.remembered = list(dict.fromkeys(node_id for node_id in ids if node_id is not None))


def look(visits: Sequence[Visit], *, only: bool = False) -> tuple[list[Facts], list[tuple[UUID, str]]]:
    """What the agents perceive, in order, their inboxes too; and the mods that ended, as (agent id, name).

    `only` looks and ends nothing: then no lock is needed.
    """
    ticks = {a.id: v.zone.tick for v in visits for a in v.agents if a.mod_count}
    mods, ended = rows.read_mods(ticks, end=not only)
    rosters = _rosters(visits)
    facts = [f for v in visits if v.agents for f in perceive(v.agents, v.zone, rosters[v.zone.id], mods)]
    mail.read(facts)
    return facts, ended


def _rosters(visits: Sequence[Visit]) -> dict[UUID, Sequence[Bystander]]:
    """Who can be met, by zone: those at hand when that is everybody, else one look at the zone.

    Of a large zone only some are looked at, from the first one's ordinal on, going round.
    """
    unseen = [visit for visit in visits if visit.agents and not visit.met]
    small = [v for v in unseen if not v.everybody and v.zone.agent_count <= ROSTER_LIMIT]
    read = rows.read_rosters({v.zone.id: [a.ordinal for a in v.agents] for v in small})
    for visit in visits:
        if visit.met:
            continue
        if visit.everybody:
            at_hand = [Bystander(a.ordinal, a.name, a.x, a.y) for a in (*visit.agents, *visit.others)]
            visit.met[:] = sorted(at_hand) if visit.others else at_hand
        elif visit.agents:
            visit.met[:] = read.get(visit.zone.id) or _some(visit.zone.id, visit.agents[0].ordinal)
    return {visit.zone.id: visit.met for visit in visits}


def moved(visits: Sequence[Visit]) -> None:
    """For a second look under the same locks: put those who have acted where they are now; nobody else has moved."""
    for visit in visits:
        now = {a.ordinal: Bystander(a.ordinal, a.name, a.x, a.y) for a in visit.agents}
        visit.met[:] = [now.get(one.ordinal, one) for one in visit.met]


def _some(zone_id: UUID, first: int) -> list[Bystander]:
    found = rows.read_roster(zone_id, first, ROSTER_LIMIT)
    if len(found) < ROSTER_LIMIT:
        before = rows.read_roster(zone_id, 0, ROSTER_LIMIT - len(found))
        found = [b for b in before if b.ordinal < first] + found
    return found


def decide(facts: Sequence[Facts]) -> tuple[list[Decision], list[str | None]]:
    """Let each agent's kind of reasoner decide. Where one fails, the rules decide; errors by place, as decisions."""
    decisions: list[Decision] = [_UNDECIDED] * len(facts)
    errors: list[str | None] = [None] * len(facts)
    for kind in sorted({f.me.reasoner for f in facts if f.me.decided is None}):
        places = [i for i, f in enumerate(facts) if f.me.reasoner == kind and f.me.decided is None]
        chosen, batch_error = _decide_batch(kind, [facts[i] for i in places])
        for i, decision in zip(places, chosen, strict=True):
            decisions[i] = decision
            errors[i] = batch_error or decision.error
    for i, f in enumerate(facts):
        if f.me.decided is not None:
            decisions[i] = f.me.decided
        if f.messages:
            decisions[i].replies = converse.replies(f, decisions[i].replies)
    return decisions, errors


def _decide_batch(kind: str, batch: Sequence[Facts]) -> tuple[Sequence[Decision], str | None]:
    rules = reasoners.get("rules")
    reasoner = reasoners.get(kind)
    if rules is None:
        raise LookupError("the rules reasoner is not loaded")
    if reasoner is None:
        return rules.decide(batch), f"there is no reasoner of kind {kind!r}; the rules decided"
    try:
        chosen = reasoner.decide(batch)
        if len(chosen) != len(batch):
            raise ValueError(f"{len(chosen)} decisions for {len(batch)} agents")
        if reasoner is not rules:
            _check(chosen)
        return chosen, None
    except AWAY:
        raise
    except Exception as error:
        if reasoner is rules:
            raise
        logger.exception("reasoner %s failed", kind)
        metrics.failed.labels("decide").inc(len(batch))
        return rules.decide(batch), f"{kind}: {type(error).__name__}: {error}; the rules decided"


def _check(decisions: Sequence[Decision]) -> None:
    """What somebody else's reasoner made must be fit to be stored. Raises: TypeError, ValueError."""
    for decision in decisions:
        if not isinstance(decision, Decision) or not isinstance(decision.action, str):
            raise TypeError(f"{decision!r} is not a decision")
        if not 0 <= decision.confidence <= 1:
            raise ValueError(f"a confidence of {decision.confidence!r}: it is 0 to 1")
        if not all(isinstance(words, str) for words in decision.replies.values()):
            raise TypeError(f"replies {decision.replies!r}: they are texts")


def _depart(ticked: Sequence[Ticked]) -> None:
    crossers = [
        clock.Crosser(one.agent.id, one.agent.ordinal, one.facts.zone.id, one.outcome.destination.zone_id)
        for one in ticked
        if one.outcome.destination is not None
    ]
    if crossers:
        clock.depart(crossers)


def _endings(facts: Sequence[Facts], ended: Sequence[tuple[UUID, str]]) -> Iterator[NewEvent]:
    if not ended:
        return
    of, order = {f.me.id: f for f in facts}, {f.me.id: place for place, f in enumerate(facts)}
    for agent_id, mod in sorted(ended, key=lambda one: (order[one[0]], one[1])):  # ids follow from the wall clock
        payload = events.AgentChanged(agent_id=agent_id, name=of[agent_id].me.name, what="mod_ended", was=mod)
        yield NewEvent(of[agent_id].zone.stream, f"agent.{agent_id}.changed", payload)


def _speak(ticked: Sequence[Ticked], now: datetime) -> dict[int, int]:
    """Write what was said, in answer and of one's own accord. Returns the numbers of answers by their messages'."""
    outgoing = mail.Outgoing()
    for one in ticked:
        decision = one.verdict.decision
        if one.facts.messages:
            outgoing.answer(one.facts, decision)
        if one.outcome.says:
            outgoing.open(one.facts, one.outcome.says, decision.by)
    return outgoing.write(now)


def _story(one: Ticked, chance: Chance) -> str:
    """The tick in words: what was said, and what was done, by the agent's own teller if it has one."""
    decision, own = one.verdict.decision, ""
    if one.agent.narrator == "model" and not one.outcome.failed:
        own = decision.narrative
    story = own or narrative.tell(one.facts, one.outcome, one.slots, chance)
    return narrative.with_words(story, one.facts, decision) if one.facts.messages else story


def _events(ticked: Sequence[Ticked], answers: Mapping[int, int]) -> Iterator[NewEvent]:
    here, stream, topic = None, "", ""
    for one in ticked:
        if here is not one.facts.zone:  # they come zone by zone, and texts of ids take their time
            here = one.facts.zone
            stream, topic = here.stream, zone_topic(here.id, "agent_ticked")
        yield NewEvent(stream, topic, _payload(one))
        for event in one.outcome.events:
            yield replace(event, actor=f"agent:{one.agent.name}")
        if one.facts.messages:
            yield from mail.processed(one.facts, one.verdict.decision, answers)
        if one.error and one.agent.answer is not None:
            yield _failure(one)


def _failure(one: Ticked) -> NewEvent:
    agent = one.agent
    payload = events.AgentFailed(
        agent_id=agent.id, name=agent.name, tick_number=agent.tick_number, world_tick=one.facts.tick, stage="decide",
        error=(one.error or "")[:500],
    )  # fmt: skip
    return NewEvent(one.facts.zone.stream, f"agent.{agent.id}.error", payload)


def _payload(one: Ticked) -> events.AgentTicked:
    agent = one.agent
    return events.AgentTicked(
        agent_id=agent.id,
        name=agent.name,
        tick_number=agent.tick_number,
        world_tick=one.facts.tick,
        action=one.verdict.decision.action,
        narrative=one.narrative,
        mood=agent.mood,
        energy=agent.stats["energy"],
        activity=agent.activity,
        x=agent.x,
        y=agent.y,
        state_hash=one.state_hash.hex(),
    )


def _logs(ticked: Sequence[Ticked], stage_ms: dict[str, float], now: datetime) -> Iterator[tuple[Any, ...]]:
    share, stages = round(sum(stage_ms.values()) / len(ticked), 4), orjson.dumps(stage_ms)
    for one in ticked:
        agent, decision = one.agent, one.verdict.decision
        yield (
            new_raw_id(), agent.id, one.facts.zone.id, agent.tick_number, one.facts.tick, now, share,
            decision.confidence,
            one.state_hash, decision.action, decision.reasoning, one.narrative,
            _decided(one),
            _verdict(one.verdict.verdict, one.verdict.reason),
            one.stat_changes, one.state_changes, [str(node_id) for node_id in one.remembered], stages, decision.usage,
            one.error,
        )  # fmt: skip


def _decided(one: Ticked) -> dict[str, Any]:
    decision = one.verdict.decision
    found: dict[str, Any] = {
        "arguments": decision.arguments, "expected": decision.expected, "alternatives": decision.alternatives,
        "band": one.facts.band, "failed": one.outcome.failed,
    }  # fmt: skip
    if one.facts.messages:
        # Without their numbers, which follow from who wrote first and not from the world.
        found["heard"] = [[h.sender, h.text, decision.replies.get(h.number)] for h in one.facts.messages]
    if decision.by:
        found["by"] = decision.by
    return found


@lru_cache(maxsize=256)
def _verdict(verdict: str, reason: str) -> bytes:
    """The same few, each tick: encoded once."""
    return orjson.dumps({"verdict": verdict, "reason": reason})


def _count(stages: Stages, agents: int) -> None:
    metrics.ticks.inc(agents)
    for name, ms in stages.ms.items():
        metrics.stage_seconds.labels(name).observe(ms / 1000)

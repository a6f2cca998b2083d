"""Doing what was decided: outcomes become changes of the agents and of the locked zone. No I/O but what tools do."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import isfinite
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from agents import behaviours, converse, insights, metrics
from agents.engine.faults import AWAY
from agents.facts import KEPT_ACTIONS, AgentState, Decision, Facts, Heard, Insight, Outcome
from agents.narrative import fill
from agents.review import DENY, Verdict
from domains.chance import Chance
from memory.actions import NewMemory, worth_keeping
from memory.texts import Recalled

logger = logging.getLogger(__name__)

DRIFT = {"energy": -0.5, "creativity": -0.5, "focus": -1.2, "social": -1.5, "exploration": -1.5}
"""What every tick takes from each stat, whatever is done; needs grow from it."""
_DRIFTS = np.array(list(DRIFT.values()))
MOOD_KEPT = 0.85
"""Share of the distance from its calm mood that an agent keeps from tick to tick."""
NOTICED_WEIGHT = 0.12
WANTED_IMPORTANCE = 0.5
"""Of a memory that the agent itself asks to keep."""
LONGEST_INSIGHT = 1000
"""Characters."""
MOST_OF_WORDS = 300
"""Characters of what was said that are remembered."""
STUMBLE = Outcome(
    ("{name} began something and lost the thread of it.", "{name} stopped halfway and could not say why."),
    "Something went wrong in {zone}.",
    activity="at a loss",
    memorable=False,
    failed=True,
)


HELD_BACK = Outcome(
    ("{name} thought better of it.", "{name} was about to, and then did not."),
    "Was held back in {zone}.",
    activity="held back",
    memorable=False,
    failed=True,
)
"""What comes of a decision that the review denied."""


@dataclass(slots=True)
class Ticked:
    """One agent's tick as it comes together."""

    facts: Facts
    verdict: Verdict
    outcome: Outcome
    slots: dict[str, str]
    stat_changes: dict[str, float] = field(default_factory=dict)
    state_changes: dict[str, Any] = field(default_factory=dict)
    memories: list[NewMemory] = field(default_factory=list)
    remembered: list[UUID] = field(default_factory=list)
    """Ids of the rows that they are in, once they are stored."""
    concluded: UUID | None = None
    """The id of the insight among the memories, when there is one."""
    narrative: str = ""
    state_hash: bytes = b""
    error: str | None = None

    @property
    def agent(self) -> AgentState:
        """Who ticked."""
        return self.facts.me


def apply_all(facts: Sequence[Facts], verdicts: Sequence[Verdict], errors: Sequence[str | None]) -> list[Ticked]:
    """Let each agent act, in order. `errors` are those met before."""
    chances = Chance.many(((f.seed, f.me.ordinal, f.me.tick_number + 1) for f in facts), "act")
    ticked = [_apply(*of) for of in zip(facts, verdicts, chances, errors, strict=True)]
    change_stats(ticked)
    return ticked


def _apply(facts: Facts, verdict: Verdict, chance: Chance, error: str | None) -> Ticked:
    if verdict.verdict == DENY:
        outcome, failure = HELD_BACK, None
        verdict = verdict._replace(decision=replace(verdict.decision, replies={}, remember=""))
    else:
        outcome, failure = _act(facts, verdict.decision, chance)
    if facts.messages:
        outcome = _in_company(outcome, facts, verdict.decision)
    agent = facts.me
    slots = {"name": agent.name, "zone": facts.zone.name, **outcome.slots}
    ticked = Ticked(facts, verdict, outcome, slots, error=error or failure)
    _change_state(ticked)
    agent.tick_number += 1
    agent.last_tick = facts.tick
    agent.due_tick = _next_due(facts)
    agent.mail -= len(facts.messages)
    agent.actions = [*agent.actions, verdict.decision.action][-KEPT_ACTIONS:]
    return ticked


def _next_due(facts: Facts) -> int:
    """World tick of the next tick: by the interval, counted for who thinks from when it was asked; sooner for mail."""
    agent = facts.me
    if agent.mail > len(facts.messages):
        return facts.tick + 1
    began = facts.tick if agent.answer is None else agent.answer.asked_tick
    return began + agent.tick_interval


def _in_company(outcome: Outcome, facts: Facts, decision: Decision) -> Outcome:
    """Being spoken to does good or harm, and answering passes for company."""
    felt = sum(converse.weigh(heard)[1] for heard in facts.messages)
    social = outcome.stats.get("social", 0.0) + 3.0 * len(decision.replies)
    return replace(outcome, stats={**outcome.stats, "social": social}, mood=outcome.mood + 0.1 * felt)


def _act(facts: Facts, decision: Decision, chance: Chance) -> tuple[Outcome, str | None]:
    """Run the behaviour. One that is gone, not allowed or broken makes the agent stumble, and nothing worse."""
    behaviour = behaviours.get(decision.action)
    if behaviour is None:
        return STUMBLE, f"there is no action {decision.action!r}"
    if refusal := behaviour.refusal(facts):
        return STUMBLE, f"{decision.action} is not possible now: {refusal}"
    try:
        return _sound(behaviour.act(facts, decision, chance), facts.me), None
    except AWAY:
        raise  # not the agent's doing: the chunk is done again
    except Exception as error:
        logger.exception("%s failed for %s", decision.action, facts.me.name)
        metrics.failed.labels("apply").inc()
        return STUMBLE, f"{decision.action}: {type(error).__name__}: {error}"


def _sound(outcome: Any, agent: AgentState) -> Outcome:
    """What somebody else's behaviour made must be fit to be applied. Raises: TypeError, ValueError."""
    if not isinstance(outcome, Outcome) or not outcome.stories:
        raise TypeError(f"{outcome!r} is not an outcome with a story")
    place, step = outcome.goal or (0, 0.0)
    x, y = outcome.position or (0.0, 0.0)
    if not isfinite(outcome.mood + outcome.importance + outcome.valence + step + x + y + sum(outcome.stats.values())):
        raise ValueError("a change that is not a finite number")
    if outcome.goal is not None and not 0 <= place < len(agent.goals):
        raise ValueError(f"there is no goal {place}")
    if outcome.insight is not None:
        _check_insight(outcome.insight)
    return outcome


def _check_insight(insight: Any) -> None:
    """Raises: TypeError, ValueError."""
    if not isinstance(insight, Insight):
        raise TypeError(f"{insight!r} is not an insight")
    if not (0 <= insight.importance <= 1 and -1 <= insight.valence <= 1 and -1 <= insight.lean <= 1):
        raise ValueError("an insight whose importance, valence or lean is out of range")
    if not 1 <= len(insight.text) <= LONGEST_INSIGHT or converse.storable(insight.text).isspace():
        raise ValueError("an insight that cannot be remembered")


def change_stats(ticked: Sequence[Ticked]) -> None:
    """Let drift and wishes change everybody's stats, within 0–100 and to two places; note the effective changes."""
    if not ticked:
        return
    before = np.array([[one.agent.stats[name] for name in DRIFT] for one in ticked])
    wished = np.array([[one.outcome.stats.get(name, 0.0) for name in DRIFT] for one in ticked])
    after = np.round(np.clip(before + _DRIFTS + wished, 0.0, 100.0), 2)
    changes = np.round(after - before, 2)
    for one, new, change in zip(ticked, after.tolist(), changes.tolist(), strict=True):
        one.agent.stats = dict(zip(DRIFT, new, strict=True))
        one.stat_changes = {name: by for name, by in zip(DRIFT, change, strict=True) if by}


def _change_state(ticked: Ticked) -> None:
    agent, outcome, changes = ticked.agent, ticked.outcome, ticked.state_changes
    felt = sum(h.valence for h in ticked.facts.noticed) * NOTICED_WEIGHT * (0.5 + ticked.facts.traits["neuroticism"])
    calm = calm_mood(ticked.facts.traits)
    mood = round(min(1.0, max(-1.0, calm + (agent.mood - calm) * MOOD_KEPT + outcome.mood + felt)), 4)
    if mood != agent.mood:
        changes["mood"] = round(mood - agent.mood, 4)
        agent.mood = mood
    if outcome.activity != agent.activity:
        changes["activity"] = agent.activity = outcome.activity
    if outcome.focus is not None and outcome.focus != agent.current_focus:
        changes["current_focus"] = agent.current_focus = outcome.focus
    if outcome.position is not None:
        agent.x, agent.y = outcome.position
        changes["position"] = list(outcome.position)
    if outcome.goal is not None and outcome.goal[1]:
        place, step = outcome.goal
        goal = agent.goals[place]
        agent.goals_changed = True
        goal["progress"] = round(min(1.0, max(0.0, goal["progress"] + step)), 4)
        changes["goal"] = [goal["name"], goal["progress"]]
    if outcome.destination is not None:
        changes["destination"] = outcome.destination.name


def calm_mood(traits: Mapping[str, float]) -> float:
    """The mood that an agent comes back to when nothing happens: brighter the less neurotic and the more outgoing."""
    return 0.3 * (traits["extraversion"] - 0.5) - 0.5 * (traits["neuroticism"] - 0.5)


def remember(ticked: Ticked) -> None:
    """Form memories by the rule: of what was done, and of the weightiest thing noticed."""
    agent, facts, outcome = ticked.agent, ticked.facts, ticked.outcome
    if outcome.memorable and worth_keeping(outcome.importance, outcome.valence):
        text = fill(outcome.impression, ticked.slots)
        _form(ticked, text, outcome.importance, outcome.valence, outcome.kind)
    if outcome.insight is not None:
        _conclude(ticked, outcome.insight)
    for heard in facts.messages:
        importance, valence = converse.weigh(heard)
        if worth_keeping(importance, valence):
            _form(ticked, _exchange(heard, ticked.verdict.decision), importance, valence, "episodic")
    if (wanted := ticked.verdict.decision.remember) and outcome.insight is None:
        _keep(ticked, wanted)
    for seen in facts.noticed[:2]:
        if worth_keeping(seen.importance, seen.valence):
            _form(ticked, seen.text, seen.importance, seen.valence, "episodic")
    if ticked.memories:
        agent.memories = insights.kept(agent.memories, facts.tick, agent.tick_interval)
        agent.memories_changed = True


def _exchange(heard: Heard, decision: Decision) -> str:
    """What was said, as it is remembered."""
    words = decision.replies.get(heard.number)
    answered = f" The answer: “{words[:MOST_OF_WORDS]}”" if words else ""
    return f"{heard.sender} said: “{heard.text[:MOST_OF_WORDS]}”{answered}"


def _conclude(ticked: Ticked, insight: Insight) -> None:
    """Remember an insight, unless it says again what the agent was just reminded of."""
    agent = ticked.agent
    told = agent.answer.told if agent.answer is not None else ()
    if Recalled([*told, *(memory[1] for memory in agent.memories)]).echoed_by(insight.text):
        return
    _form(ticked, insight.text, insight.importance, insight.valence, "semantic", insight)
    ticked.concluded = ticked.memories[-1].id


def _keep(ticked: Ticked, text: str) -> None:
    """Remember what the agent itself wants to; not what it was just reminded of."""
    answer = ticked.agent.answer
    if answer is None or not Recalled(answer.told).echoed_by(text):
        _form(ticked, text, WANTED_IMPORTANCE, 0.0, "semantic")


def _form(
    ticked: Ticked, text: str, importance: float, valence: float, kind: str, insight: Insight | None = None
) -> None:
    agent = ticked.agent
    if any(memory[1] == text for memory in agent.memories):
        return
    importance, valence = round(importance, 3), round(valence, 3)
    source: dict[str, Any] = {"tick": agent.tick_number, "world_tick": ticked.facts.tick}
    fresh = [ticked.facts.tick, text, importance, valence]
    if insight is not None:
        fresh += [insight.about, insight.lean]
        source["insight"] = insight.about or "other"
    agent.memories = [*agent.memories, fresh]
    ticked.memories.append(NewMemory(agent.id, text, kind, importance, valence, source=source))


def state_hash(agent: AgentState, zone_ordinal: int) -> bytes:
    """16 bytes over all that an agent is after its tick: no ids, wall times or durations."""
    state = [
        agent.ordinal, agent.name, agent.tick_number, agent.last_tick, agent.due_tick, zone_ordinal,
        agent.stats, agent.mood, agent.activity, agent.current_focus, agent.goals,
        agent.memories, agent.actions, agent.x, agent.y, agent.z,
    ]  # fmt: skip
    return blake2b(orjson.dumps(state), digest_size=16).digest()

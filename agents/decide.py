"""Choice by rules. Pure: facts in, a decision out; no I/O, no clock, no state.

The utility of an allowed action `a` is

    U(a) = bias_a + Σ weights_a[f] · features[f] + mods[a] + insights[a]
           − 0.6 · cost_a/20 · (1.5 − energy) − 0.5 · again_a

with `features` as `features()` makes them, `insights[a]` what the agent has concluded lately (`agents.insights`),
`cost_a` the energy that it takes and `again_a` the share of the latest four actions that were `a`. One of the actions
is drawn with P(a) ∝ exp(U(a) / 0.35) (softmax) from (world seed, agent ordinal, the agent's tick number, "decide"):
the same world, agent and tick always choose the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from agents import insights
from agents.behaviours import NO_ARGUMENTS, Behaviour
from agents.facts import KEPT_ACTIONS, Decision, Facts
from domains.chance import Chance

logger = logging.getLogger(__name__)

TEMPERATURE = 0.35
COST_WEIGHT = 0.6
AGAIN_WEIGHT = 0.5
LISTED_ALTERNATIVES = 4

FEATURES: Mapping[str, str] = {
    "rest": "need of rest: 0 at 30 energy and above, 1 at none",
    "tired": "1 − energy/100",
    "stimulation": "need of something new",
    "company": "need of others",
    "purpose": "need to get on with something",
    "openness": "trait, −1…1 around the middle",
    "conscientiousness": "trait, −1…1 around the middle",
    "extraversion": "trait, −1…1 around the middle",
    "agreeableness": "trait, −1…1 around the middle",
    "neuroticism": "trait, −1…1 around the middle",
    "creativity": "stat, 0…1",
    "focus": "stat, 0…1",
    "mood": "−1…1",
    "goal": "1 when there is an unfinished goal",
    "crowd": "others near, 0…1 at four and more",
    "food": "food in the zone, 0…1",
    "knowledge": "knowledge in the zone, 0…1",
    "materials": "materials in the zone, 0…1",
    "entropy": "of the zone, 0…1",
    "noticed": "weight of what was just noticed, 0…1",
    "ways": "1 when there is a way out",
}
"""Every feature by its meaning; the names that weights may use."""
_PLACES = {name: i for i, name in enumerate(FEATURES)}


def needs(stats: Mapping[str, float], traits: Mapping[str, float], has_goal: bool) -> dict[str, float]:
    """Needs 0–1: rest below 30 energy; company, stimulation and purpose as the stat that they feed runs low."""
    return {
        "rest": max(0.0, (30.0 - stats["energy"]) / 30.0),
        "company": max(0.0, 1.0 - stats["social"] / 60.0) * (0.4 + 0.6 * traits["extraversion"]),
        "stimulation": max(0.0, 1.0 - stats["exploration"] / 60.0) * (0.4 + 0.6 * traits["openness"]),
        "purpose": max(0.0, 1.0 - stats["focus"] / 60.0)
        * (0.4 + 0.6 * traits["conscientiousness"])
        * (1.0 if has_goal else 0.3),
    }


def features(facts: Facts) -> list[float]:
    """The numbers that weights multiply, in the order of `FEATURES`."""
    stats, traits, need, resources = facts.stats, facts.traits, facts.needs, facts.zone.resources
    noticed = facts.noticed[0] if facts.noticed else None
    return [
        need["rest"],
        1.0 - stats["energy"] / 100.0,
        need["stimulation"],
        need["company"],
        need["purpose"],
        traits["openness"] * 2.0 - 1.0,
        traits["conscientiousness"] * 2.0 - 1.0,
        traits["extraversion"] * 2.0 - 1.0,
        traits["agreeableness"] * 2.0 - 1.0,
        traits["neuroticism"] * 2.0 - 1.0,
        stats["creativity"] / 100.0,
        stats["focus"] / 100.0,
        facts.me.mood,
        1.0 if facts.open_goal() else 0.0,
        min(1.0, len(facts.near) / 4.0),
        resources["food"] / 100.0,
        resources["knowledge"] / 100.0,
        resources["materials"] / 100.0,
        facts.zone.entropy,
        max(noticed.importance, abs(noticed.valence)) if noticed else 0.0,
        1.0 if facts.zone.ways else 0.0,
    ]


class Scale:
    """Behaviours in a fixed order, ready to be weighed for many agents at once."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self.behaviours = behaviours
        self.places = {b.name: i for i, b in enumerate(behaviours)}
        self.parts = [[(name, _PLACES[name], weight) for name, weight in b.weights.items()] for b in behaviours]
        self._bias = np.array([b.bias for b in behaviours])
        self._cost = np.array([max(0.0, b.cost) * COST_WEIGHT / 20.0 for b in behaviours])
        weights = np.array([[b.weights.get(name, 0.0) for b in behaviours] for name in FEATURES])
        self._weights = [(i, row) for i, row in enumerate(weights) if row.any()]

    def weigh(self, batch: Sequence[Facts], values: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
        """U of every agent and behaviour, `[len(batch), len(behaviours)]`; `values` are the agents' features.

        Summed element by element in a fixed order: a matrix product would round as the processor likes.
        """
        columns = np.array(values).reshape(len(batch), len(FEATURES), 1)
        scores = self._bias + np.array([self._own(facts) for facts in batch])
        for i, weights in self._weights:
            scores += columns[:, i] * weights
        scores -= (0.5 + columns[:, _PLACES["tired"]]) * self._cost
        return scores

    def _own(self, facts: Facts) -> list[float]:
        """What mods want, what was concluded, and what was just done."""
        places, row = self.places, [0.0] * len(self.behaviours)
        for action, weight in facts.leanings.items():
            if action in places:
                row[places[action]] += weight
        for action, weight in facts.weights.items():
            if action in places:
                row[places[action]] += weight
        for action in facts.me.actions:
            if action in places:
                row[places[action]] -= AGAIN_WEIGHT / KEPT_ACTIONS
        return row


@lru_cache(maxsize=8)
def scale(behaviours: tuple[Behaviour, ...]) -> Scale:
    """The scale of these behaviours, made once."""
    return Scale(behaviours)


def choose_all(batch: Sequence[Facts], behaviours: tuple[Behaviour, ...]) -> list[Decision]:
    """Score what is allowed for each and draw one. `behaviours` are sorted by name and allow at least one."""
    if not batch:
        return []
    values = [features(facts) for facts in batch]
    by = scale(behaviours)
    scores = by.weigh(batch, values)
    chances = Chance.many(((f.seed, f.me.ordinal, f.me.tick_number + 1) for f in batch), "decide")
    rows = zip(batch, values, scores.tolist(), np.round(scores, 3).tolist(), chances, strict=True)
    return [_choose(by, *row) for row in rows]


def _choose(
    by: Scale,
    facts: Facts,
    values: Sequence[float],
    scores: Sequence[float],
    rounded: Sequence[float],
    chance: Chance,
) -> Decision:
    allowed = sorted([(-scores[i], i) for i, b in enumerate(by.behaviours) if b.refusal(facts) is None])
    best = allowed[0][0]
    shares = [exp((best - score) / TEMPERATURE) for score, _ in allowed]
    total = sum(shares)
    picked = draw(shares, chance.uniform() * total)
    place = allowed[picked][1]
    behaviour = by.behaviours[place]
    arguments, error = _arguments(behaviour, facts, chance)
    return Decision(
        action=behaviour.name,
        arguments=arguments,
        confidence=round(shares[picked] / total, 4),
        reasoning=explain(behaviour.name, by.parts[place], values, scores[place]) + _insight(facts, behaviour.name),
        expected=behaviour.expects,
        alternatives={by.behaviours[i].name: rounded[i] for _, i in allowed[:LISTED_ALTERNATIVES]},
        error=error,
    )


def _arguments(behaviour: Behaviour, facts: Facts, chance: Chance) -> tuple[Mapping[str, Any], str | None]:
    """What to do it with; nothing, and the error, when the behaviour cannot say."""
    try:
        return behaviour.arguments(facts, chance), None
    except Exception as error:
        logger.exception("the arguments of %s failed for %s", behaviour.name, facts.me.name)
        return NO_ARGUMENTS, f"{behaviour.name}: {type(error).__name__}: {error}"


def _insight(facts: Facts, action: str) -> str:
    """What the agent has concluded that spoke for or against it, as the end of the explanation."""
    by = facts.leanings.get(action, 0.0)
    if abs(by) < 0.005:
        return ""
    about = insights.speaking(facts.me.memories, facts.tick, facts.me.tick_interval, action)
    return f"; an insight about {about} {by:+.2f}"


def draw(shares: Sequence[float], mark: float) -> int:
    """The place at which the running sum of `shares` passes `mark`; the last one if rounding never gets there."""
    for i, share in enumerate(shares):
        mark -= share
        if mark < 0:
            return i
    return len(shares) - 1


def explain(action: str, parts: Sequence[tuple[str, int, float]], values: Sequence[float], score: float) -> str:
    """Which two features spoke most for the action, as a short sentence. `parts` are (feature, its place, weight)."""
    told = sorted([(weight * values[i], name) for name, i, weight in parts], reverse=True)[:2]
    spoke = [f"{name} {part:+.2f}" for part, name in told if part > 0.005]
    reason = f"{' and '.join(spoke)} spoke for it" if spoke else "nothing else pressed"
    return f"{action} scored {score:.2f}: {reason}"

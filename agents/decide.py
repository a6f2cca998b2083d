"""Choice by rules. Pure: facts in, a decision out; no I/O, no clock, no state.

The utility of an allowed action `a` is

    U(a) = bias_a + Σ weights_a[f] · features[f] + mods[a] − 0.6 · cost_a/20 · (1.5 − energy) − 0.5 · again_a

with `features` as `features()` makes them, `cost_a` the energy that it takes and `again_a` the share of the latest
four actions that were `a`. One of the actions is drawn with P(a) ∝ exp(U(a) / 0.35) (softmax) from
(world seed, agent ordinal, the agent's tick number, "decide"): the same world, agent and tick always choose the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

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


def features(facts: Facts) -> dict[str, float]:
    """The numbers that weights multiply, in the order of `FEATURES`."""
    stats, traits, need, resources = facts.stats, facts.traits, facts.needs, facts.zone.resources
    noticed = facts.noticed[0] if facts.noticed else None
    return {
        "rest": need["rest"],
        "tired": 1.0 - stats["energy"] / 100.0,
        "stimulation": need["stimulation"],
        "company": need["company"],
        "purpose": need["purpose"],
        "openness": traits["openness"] * 2.0 - 1.0,
        "conscientiousness": traits["conscientiousness"] * 2.0 - 1.0,
        "extraversion": traits["extraversion"] * 2.0 - 1.0,
        "agreeableness": traits["agreeableness"] * 2.0 - 1.0,
        "neuroticism": traits["neuroticism"] * 2.0 - 1.0,
        "creativity": stats["creativity"] / 100.0,
        "focus": stats["focus"] / 100.0,
        "mood": facts.me.mood,
        "goal": 1.0 if facts.open_goal() else 0.0,
        "crowd": min(1.0, len(facts.near) / 4.0),
        "food": resources["food"] / 100.0,
        "knowledge": resources["knowledge"] / 100.0,
        "materials": resources["materials"] / 100.0,
        "entropy": facts.zone.entropy,
        "noticed": max(noticed.importance, abs(noticed.valence)) if noticed else 0.0,
        "ways": 1.0 if facts.zone.ways else 0.0,
    }


def utility(behaviour: Behaviour, values: Mapping[str, float], facts: Facts) -> float:
    """U(a) of the module's formula."""
    score = behaviour.bias
    for name, weight in behaviour.weights.items():
        score += weight * values[name]
    if facts.weights:
        score += facts.weights.get(behaviour.name, 0.0)
    if behaviour.cost > 0.0:
        score -= COST_WEIGHT / 20.0 * behaviour.cost * (1.5 - facts.stats["energy"] / 100.0)
    return score - AGAIN_WEIGHT / KEPT_ACTIONS * facts.me.actions.count(behaviour.name)


def choose(facts: Facts, behaviours: Sequence[Behaviour]) -> Decision:
    """Score what is allowed and draw one. `behaviours` must be in a fixed order and allow at least one."""
    values = features(facts)
    allowed = [(-utility(b, values, facts), b.name, b) for b in behaviours if b.refusal(facts) is None]
    allowed.sort()
    best = allowed[0][0]
    shares = [exp((best - score) / TEMPERATURE) for score, _, _ in allowed]
    total = sum(shares)
    chance = Chance(facts.seed, facts.me.ordinal, facts.me.tick_number + 1, "decide")
    picked = draw(shares, chance.uniform() * total)
    score, name, behaviour = allowed[picked]
    arguments, error = _arguments(behaviour, facts, chance)
    return Decision(
        action=name,
        arguments=arguments,
        confidence=round(shares[picked] / total, 4),
        reasoning=explain(behaviour, values, -score),
        expected=behaviour.expects,
        alternatives={other: round(-s, 3) for s, other, _ in allowed[:LISTED_ALTERNATIVES]},
        error=error,
    )


def _arguments(behaviour: Behaviour, facts: Facts, chance: Chance) -> tuple[Mapping[str, Any], str | None]:
    """What to do it with; nothing, and the error, when the behaviour cannot say."""
    try:
        return behaviour.arguments(facts, chance), None
    except Exception as error:
        logger.exception("the arguments of %s failed for %s", behaviour.name, facts.me.name)
        return NO_ARGUMENTS, f"{behaviour.name}: {type(error).__name__}: {error}"


def draw(shares: Sequence[float], mark: float) -> int:
    """The place at which the running sum of `shares` passes `mark`; the last one if rounding never gets there."""
    for i, share in enumerate(shares):
        mark -= share
        if mark < 0:
            return i
    return len(shares) - 1


def explain(behaviour: Behaviour, values: Mapping[str, float], score: float) -> str:
    """Which two features spoke most for the action, as a short sentence."""
    parts = sorted(((weight * values[name], name) for name, weight in behaviour.weights.items()), reverse=True)[:2]
    spoke = [f"{name} {part:+.2f}" for part, name in parts if part > 0.005]
    reason = f"{' and '.join(spoke)} spoke for it" if spoke else "nothing else pressed"
    return f"{behaviour.name} scored {score:.2f}: {reason}"

from __future__ import annotations

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

WANTED = 6.0
NOURISHES = 2.2
"""Energy in a unit of food."""
FED = (
    "{name} gathered what {zone} had to give and ate well.",
    "{name} found enough in {zone} for a plain, honest meal.",
    "{name} filled both pockets in {zone} and emptied them again on the way back.",
    "{name} came back from {zone}'s far side with a full basket and scratched hands.",
    "A handful here, a handful there: {name} did not go hungry.",
    "{name} had breakfast for the second time, in {zone}, standing up.",
    "{name} knew where to look in {zone}, and did, and ate.",
    "Bread from yesterday, something green from {zone}: {name} had known worse.",
)
HUNGRY = (
    "{name} searched {zone} for something to eat and found that others had been there first.",
    "There was little left in {zone}, and {name} went without.",
    "{name} turned over every leaf in {zone} for one sour apple.",
)


def _can(facts: Facts) -> str | None:
    return None if facts.zone.resources["food"] >= 1.0 else "there is no food here"


def _act(facts: Facts, _decision: Decision, chance: Chance) -> Outcome:
    got = facts.zone.take("food", WANTED * chance.between(0.6, 1.0))
    fed = got >= 2.0
    return Outcome(
        FED if fed else HUNGRY,
        "Found food in {zone}." if fed else "Found nothing to eat in {zone}.",
        stats={"energy": -5.0 + round(NOURISHES * got, 2)},
        mood=0.03 if fed else -0.1,
        activity="foraging",
        importance=0.1 if fed else 0.35,
        valence=0.1 if fed else -0.45,
        failed=not fed,
    )


register(
    Behaviour(
        "forage",
        cost=5.0,
        act=_act,
        expects="something to eat",
        bias=-0.15,
        weights={"tired": 0.9, "rest": 0.8, "food": 0.5, "conscientiousness": 0.1},
        prerequisite=_can,
    )
)

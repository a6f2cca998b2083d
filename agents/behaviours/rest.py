from __future__ import annotations

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

STORIES = (
    "{name} found a quiet corner of {zone} and rested until the ache was gone.",
    "{name} lay down in {zone} and let the hour pass.",
    "With nothing left to prove, {name} closed both eyes and listened to {zone} breathe.",
    "{name} sat down heavily, and did not get up again for a good while.",
    "A long rest in {zone} put the colour back into {name}'s day.",
    "{name} dozed off mid-thought and woke the better for it.",
    "{name} leaned against the warm side of {zone} and did nothing at all, thoroughly.",
    "{name} pulled a coat over both knees and let {zone} go on without help.",
    "{name} slept through an hour of {zone} and missed nothing that would not come round again.",
    "{name} found the one step in {zone} that the sun still had, and took it.",
    "Nobody in {zone} needed {name} for a while, and that was that.",
    "{name} put down what had to be carried and sat next to it.",
    "{name} breathed in, breathed out, and called it an afternoon.",
    "For a little while {name} was furniture, and content.",
)


def _can(facts: Facts) -> str | None:
    return None if facts.stats["energy"] < 80 else "it is not tired"


def _act(facts: Facts, _decision: Decision, _chance: Chance) -> Outcome:
    worn_out = facts.band == "depleted"
    return Outcome(
        STORIES,
        "Rested in {zone} after running out of strength." if worn_out else "Rested in {zone}.",
        stats={"energy": 30.0},
        mood=0.05 if worn_out else 0.02,
        activity="resting",
        importance=0.15 if worn_out else 0.05,
    )


register(
    Behaviour(
        "rest",
        cost=-30.0,
        act=_act,
        expects="to feel stronger",
        bias=-0.2,
        weights={"rest": 2.6, "tired": 1.1, "neuroticism": 0.15, "conscientiousness": -0.1, "noticed": -0.3},
        prerequisite=_can,
    )
)

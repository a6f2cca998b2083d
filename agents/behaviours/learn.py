from __future__ import annotations

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

USED = 3.0
STORIES = (
    "{name} studied {subject} until it began to make sense.",
    "{name} read everything that {zone} had to say about {subject}.",
    "A page on {subject} kept {name} busy longer than planned.",
    "{name} practised {subject} with more patience than talent.",
    "{name} copied out notes on {subject} and understood the third line at last.",
    "{name} asked {zone} about {subject} and wrote down what it said.",
    "{name} got {subject} wrong in a new and interesting way.",
)
CLICKED = (
    "All at once {subject} made sense to {name}, and {zone} looked a little different.",
    "{name} put the last piece of {subject} in its place.",
)
SUBJECTS = (
    "the flight of moths",
    "old measures and weights",
    "the grammar of bells",
    "knots that hold",
    "how lamps are trimmed",
    "the names of winds",
    "the mending of clocks",
    "which mushrooms forgive",
    "the history of {zone}",
    "reading the river",
)


def _can(facts: Facts) -> str | None:
    return None if facts.zone.resources["knowledge"] >= USED else "there is nothing left to learn here for now"


def _act(facts: Facts, _decision: Decision, chance: Chance) -> Outcome:
    facts.zone.take("knowledge", USED)
    clicked = chance.uniform() < 0.15 + 0.2 * facts.stats["focus"] / 100.0
    subject = chance.pick(SUBJECTS).format(zone=facts.zone.name)
    return Outcome(
        CLICKED if clicked else STORIES,
        "Understood {subject} at last." if clicked else "Studied {subject} in {zone}.",
        slots={"subject": subject},
        stats={"energy": -15.0, "focus": 5.0, "creativity": 2.0, "exploration": 4.0},
        mood=0.08 if clicked else 0.01,
        activity="learning",
        focus=subject,
        importance=0.35 + 0.25 * chance.uniform() if clicked else 0.15,
        valence=0.3 if clicked else 0.0,
        kind="semantic" if clicked else "episodic",
    )


register(
    Behaviour(
        "learn",
        cost=15.0,
        act=_act,
        expects="to understand something",
        bias=0.0,
        weights={
            "openness": 0.35,
            "conscientiousness": 0.35,
            "focus": 0.4,
            "knowledge": 0.4,
            "stimulation": 0.5,
            "purpose": 0.4,
            "rest": -1.0,
        },
        prerequisite=_can,
    )
)

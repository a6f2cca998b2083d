from __future__ import annotations

from math import cos, pi, sin

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

SIZE = 100.0
FOUND = (
    "{name} went further into {zone} than before and found {find}.",
    "Behind a wall that everybody walks past, {name} came upon {find}.",
    "{name} followed a sound across {zone} and found {find}.",
    "Where the path seemed to end, {name} went on, and there was {find}.",
    "{name} had walked past it for years, surely: in {zone} there was {find}.",
    "{name} lost the way in {zone}, and was given {find} for it.",
)
WANDERED = (
    "{name} wandered through {zone} and came back with wet shoes and no news.",
    "{name} walked the edge of {zone} from end to end.",
    "{name} tried a path in {zone} that led, as it turned out, to itself.",
    "{name} went looking for something new; {zone} kept it well hidden today.",
    "{name} strolled across {zone}, counting doors.",
    "{name} looked behind the things in {zone} that have a behind.",
    "{name} followed a cat through {zone} until the cat objected.",
    "{name} took the long way round {zone} to see whether it was still long.",
    "{name} went to the end of {zone} and listened for what comes after.",
)
FINDS = (
    "a stair that goes down to water", "a garden nobody tends", "marks on a stone, too regular for chance",
    "a door without a house", "a nest lined with copper wire", "an echo that answers late", "a well that hums",
    "a map with one street too many", "a field of small blue lamps", "a bench with a view of everything",
)  # fmt: skip


def _act(facts: Facts, _decision: Decision, chance: Chance) -> Outcome:
    angle, far = chance.between(0.0, 2.0 * pi), facts.me.movement_range * chance.between(0.4, 1.0)
    x = min(SIZE, max(0.0, facts.me.x + far * cos(angle)))
    y = min(SIZE, max(0.0, facts.me.y + far * sin(angle)))
    found = chance.uniform() < 0.15 + 0.2 * facts.traits["openness"]
    find = chance.pick(FINDS)
    return Outcome(
        FOUND if found else WANDERED,
        "Found {find} in {zone}." if found else "Walked about in {zone}.",
        slots={"find": find},
        stats={"energy": -15.0, "exploration": 14.0, "creativity": 4.0 if found else 1.0},
        mood=0.08 if found else 0.0,
        activity="exploring",
        focus=find if found else None,
        position=(round(x, 3), round(y, 3)),
        importance=0.3 + 0.3 * chance.uniform() if found else 0.1,
        valence=0.3 if found else 0.0,
    )


register(
    Behaviour(
        "explore",
        cost=15.0,
        act=_act,
        expects="something new",
        bias=0.05,
        weights={
            "stimulation": 1.5,
            "openness": 0.7,
            "extraversion": 0.15,
            "neuroticism": -0.3,
            "noticed": 0.3,
        },
        prerequisite=lambda facts: None if facts.stats["energy"] >= 15 else "it is too tired",
    )
)

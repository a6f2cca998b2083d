from __future__ import annotations

from agents import insights
from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

STORIES = (
    "{name} turned one thought over and over. “{thought}”",
    "Something would not let {name} go: “{thought}”",
    "{name} sat still in {zone} and went back to it in mind: “{thought}”",
    "For a while {name} was elsewhere, though nobody in {zone} could have told. “{thought}”",
    "{name} wondered what it had meant: “{thought}”",
)
EMPTY = (
    "{name} looked for something to think about and found mostly weather.",
    "{name} sat in {zone} with an empty head, which was restful in its way.",
    "{name} tried to gather some thoughts; they were still too few to gather.",
    "{name} watched the light move across {zone} and thought of nothing in particular.",
)
CONCLUDED = (
    "{name} turned one thing over and over until it came clear. {insight}",
    "{name} sat in {zone} and let the last days go by once more. {insight}",
    "It took {name} a long, still hour in {zone}. {insight}",
    "{name} put one thing next to another and saw what they had in common. {insight}",
    "“{thought}” {name} had gone round it long enough. {insight}",
)


def _act(facts: Facts, decision: Decision, chance: Chance) -> Outcome:
    """Goes back to the weightiest thing in mind, and now and then comes to an insight.

    Of having reflected no memory is formed: what is recalled is not experienced again.
    """
    mine = decision.remember.strip()
    if not facts.me.memories and not mine:
        return Outcome(
            EMPTY,
            "Reflected in {zone}.",
            stats={"energy": -5.0, "focus": 3.0},
            activity="reflecting",
            memorable=False,
        )
    weightiest = max(facts.me.memories, key=lambda m: (max(m[2], abs(m[3])), m[0]), default=(0, mine, 0.0, 0.0))
    text, valence = weightiest[1], weightiest[3]
    calm = 0.06 if valence >= 0 else 0.03 * (1.0 - facts.traits["neuroticism"]) - 0.02
    clearer = 4.0 + chance.between(0.0, 3.0)
    insight = insights.form(facts, chance, mine)
    return Outcome(
        CONCLUDED if insight else STORIES,
        "Reflected in {zone}.",
        slots={"thought": text, "insight": insight.text} if insight else {"thought": text},
        stats={"energy": -5.0, "focus": clearer, "creativity": 2.0},
        mood=calm,
        activity="reflecting",
        focus=text[:200],
        memorable=False,
        insight=insight,
    )


register(
    Behaviour(
        "reflect",
        cost=5.0,
        act=_act,
        expects="to see things more clearly",
        bias=0.15,
        weights={
            "openness": 0.2,
            "neuroticism": 0.3,
            "extraversion": -0.3,
            "purpose": 0.3,
            "mood": -0.2,
            "noticed": 0.4,
        },
    )
)

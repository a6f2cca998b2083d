from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents import converse
from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome, Saying
from domains.chance import Chance
from zones.state import Happening

SPOKEN = 0.12
"""Share of meetings whose first words reach the other's inbox and may be answered; most talk is small."""
WARM = (
    "{name} and {other} fell to talking about {topic} and forgot the time.",
    "{name} made {other} laugh with a story about {topic}.",
    "{other} listened while {name} went on about {topic}, and seemed glad of it.",
    "{name} shared a bench in {zone} with {other}; they agreed about {topic} and little else.",
    "“You should hear this,” said {name} to {other}, and it was about {topic}, again.",
    "{name} asked {other} about {topic} and got a better answer than expected.",
    "{name} and {other} walked once round {zone}, slowly, on account of {topic}.",
    "{other} had been meaning to ask somebody about {topic}; {name} was glad to be asked.",
    "{name} told {other} the truth about {topic}, or most of it, and both felt better.",
)
COOL = (
    "{name} tried to talk to {other} about {topic}, but the words came out wrong.",
    "{name} and {other} had words over {topic}; it was not their best hour.",
    "{other} nodded politely while {name} explained {topic} for the third time.",
    "A remark about {topic} fell badly, and {name} and {other} looked past each other.",
    "{name} brought up {topic}. {other} remembered something urgent.",
    "{name} and {other} disagreed about {topic}, politely at first.",
)
TOPICS = (
    "the weather in {zone}",
    "old debts",
    "a dream with too many doors",
    "the price of lamp oil",
    "whether stones sleep",
    "last season's harvest",
    "a song nobody can finish",
    "the way the light bends at dusk",
    "somebody who left",
    "how to mend a net",
    "the noises at night",
    "a plan that might just work",
    "what the river brought",
)


def _can(facts: Facts) -> str | None:
    return None if facts.near else "nobody is near"


def _with(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    other = facts.near[chance.index(min(3, len(facts.near)))]
    return {"with": other.name}


def _act(facts: Facts, decision: Decision, chance: Chance) -> Outcome:
    other = next((o for o in facts.near if o.name == decision.arguments.get("with")), facts.near[0])
    warmth = 0.55 + 0.35 * facts.traits["agreeableness"] + 0.2 * facts.me.mood - 0.15 * facts.traits["neuroticism"]
    warm = chance.uniform() < warmth
    topic = facts.noticed[0].kind.replace("_", " ") if facts.noticed and facts.noticed[0].by is None else None
    about = f"the {topic}" if topic else chance.pick(TOPICS).format(zone=facts.zone.name)
    weight = 0.08 + 0.26 * chance.uniform()
    valence = (0.25 if warm else -0.32) * (0.6 + 0.8 * chance.uniform())
    verb = "talked" if warm else "quarrelled"
    said = f"{facts.me.name} {verb} with {other.name} about {about} in {facts.zone.name}."
    weight, valence = round(weight, 3), round(valence, 3)
    # Words are for whom they were meant, and for nobody else who happens to be near.
    words = str(decision.arguments.get("say") or "") if decision.arguments.get("with") == other.name else ""
    if not words and chance.uniform() < SPOKEN:
        words = converse.opener(facts, other.name, about, warm=warm, chance=chance)
    facts.zone.tell(Happening(facts.tick, "talk", said, weight, valence, facts.me.ordinal, other.ordinal))
    return Outcome(
        WARM if warm else COOL,
        f"{{name}} {verb} with {{other}} about {{topic}} in {{zone}}.",
        slots={"other": other.name, "topic": about},
        stats={"energy": -10.0, "social": 12.0 if warm else 5.0},
        mood=0.08 if warm else -0.08,
        activity=f"talking with {other.name}"[:100],
        importance=weight,
        valence=valence,
        says=(Saying(other.ordinal, words),) if words else (),
    )


register(
    Behaviour(
        "socialize",
        cost=10.0,
        act=_act,
        expects="good company",
        bias=0.1,
        weights={
            "company": 1.4,
            "extraversion": 0.7,
            "agreeableness": 0.25,
            "crowd": 0.3,
            "mood": 0.15,
            "neuroticism": -0.1,
        },
        prerequisite=_can,
        arguments=_with,
        takes={"with": "the name of somebody near", "say": "your words to them, if any"},
    )
)

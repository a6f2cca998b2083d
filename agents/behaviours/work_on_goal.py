from __future__ import annotations

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance
from zones.state import Happening

STORIES = (
    "{name} got a step further with one thing: to {goal}.",
    "{name} put in an honest hour's work to {goal}.",
    "Piece by piece, {name} went on with the plan to {goal}.",
    "{name} would not be distracted: there was a goal, to {goal}.",
    "{name} crossed one more line off the list of what it takes to {goal}.",
    "{name} meant to {goal}, and today it looked possible.",
    "One small thing went right for {name}, who wants to {goal}.",
    "{name} rolled up both sleeves: it takes time to {goal}, but less than yesterday.",
    "{name} spent the hour on it. It is no small matter to {goal}.",
)
STUCK = (
    "{name} tried to {goal} and got nowhere today.",
    "{name} stared at the plan to {goal}; the plan stared back.",
    "{name} had meant to {goal}, and sharpened a pencil instead.",
    "All the same, thought {name}, somebody ought to {goal}. It was not to be today.",
)
DONE = (
    "It is done: {name} set out to {goal}, and has.",
    "{name} stood in {zone} and let it sink in: no more need to {goal}. It had been done.",
)


def _can(facts: Facts) -> str | None:
    return None if facts.open_goal() else "it has no unfinished goal"


def _act(facts: Facts, _decision: Decision, chance: Chance) -> Outcome:
    found = facts.open_goal()
    if found is None:
        raise ValueError("no unfinished goal")
    place, goal = found
    effort = (0.3 + 0.5 * facts.traits["conscientiousness"] + 0.4 * facts.stats["focus"] / 100.0) * chance.uniform()
    step = round(0.01 + 0.05 * effort, 4) if effort > 0.12 else 0.0
    done = goal["progress"] + step >= 1.0
    if done:
        text = f"{facts.me.name} managed to {goal['name']}."
        facts.zone.tell(Happening(facts.tick, "goal", text, 0.6, 0.5, facts.me.ordinal))
    return Outcome(
        DONE if done else STORIES if step else STUCK,
        "Managed to {goal}." if done else "Worked to {goal}.",
        slots={"goal": goal["name"]},
        stats={"energy": -18.0, "focus": 7.0 if step else 2.0},
        mood=0.35 if done else 0.04 if step else -0.05,
        activity="working on a goal",
        focus=goal["name"][:200],
        goal=(place, step),
        importance=0.9 if done else 0.2,
        valence=0.8 if done else 0.1,
    )


register(
    Behaviour(
        "work_on_goal",
        cost=18.0,
        act=_act,
        expects="to get closer to the goal",
        bias=0.0,
        weights={
            "goal": 0.5,
            "purpose": 1.3,
            "conscientiousness": 0.7,
            "focus": 0.3,
            "neuroticism": -0.1,
            "rest": -1.0,
        },
        prerequisite=_can,
    )
)

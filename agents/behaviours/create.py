from __future__ import annotations

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance
from zones.state import Happening

USED = 4.0
FINE = (
    "{name} made {work}, and for once it was as it had been in the mind.",
    "By evening {name} had finished {work}; people in {zone} stopped to look.",
    "{name} worked without looking up until there was {work}.",
    "Out of scraps and stubbornness {name} made {work}.",
    "{name} set down {work} where people in {zone} would find it.",
    "It took three tries, but in the end {name} had {work}.",
)
POOR = (
    "{name} began {work} and ended with a heap of good intentions.",
    "{name} spoiled some honest material on what was to be {work}.",
    "{work} would not come right, and {name} put it under a cloth.",
    "{name} started over on {work} and called it progress.",
)
WORKS = (
    "a lantern of folded tin",
    "a song in five uneven lines",
    "a chair that rocks on purpose",
    "a small machine for sorting seeds",
    "a painted sign for a shop that does not exist",
    "a kite with a long opinion",
    "a map of the sounds of {zone}",
    "a clay bird",
    "a story about a door",
    "a whistle that only works in fog",
)


def _can(facts: Facts) -> str | None:
    if facts.stats["energy"] < 20:
        return "it is too tired"
    return None if facts.zone.resources["materials"] >= USED else "there are no materials"


def _act(facts: Facts, _decision: Decision, chance: Chance) -> Outcome:
    skill = 0.25 + 0.4 * facts.stats["creativity"] / 100.0 + 0.2 * facts.traits["openness"]
    fine = facts.zone.take("materials", USED) >= USED * 0.99 and chance.uniform() < skill
    work = chance.pick(WORKS).format(zone=facts.zone.name)
    weight = 0.3 + 0.35 * chance.uniform() if fine else 0.15
    if fine:
        facts.zone.tell(
            Happening(
                facts.tick,
                "work",
                f"{facts.me.name} made {work} in {facts.zone.name}.",
                0.25,
                0.2,
                facts.me.ordinal,
            )
        )
    return Outcome(
        FINE if fine else POOR,
        "Made {work} in {zone}." if fine else "Tried in vain to make {work} in {zone}.",
        slots={"work": work},
        stats={"energy": -20.0, "creativity": 6.0 if fine else 2.0, "focus": -3.0},
        mood=0.12 if fine else -0.06,
        activity="making something",
        focus=work,
        importance=weight,
        valence=0.4 * weight / 0.5 if fine else -0.2,
        failed=not fine,
    )


register(
    Behaviour(
        "create",
        cost=20.0,
        act=_act,
        expects="to make something that lasts",
        bias=0.1,
        weights={
            "creativity": 0.8,
            "openness": 0.5,
            "materials": 0.3,
            "mood": 0.2,
            "stimulation": 0.3,
            "rest": -1.0,
        },
        prerequisite=_can,
    )
)

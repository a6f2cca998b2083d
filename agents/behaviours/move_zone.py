from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

STORIES = (
    "{name} left {zone} for {there}.",
    "{name} took the road to {there} without looking back at {zone}.",
    "“{there},” thought {name}, and was already on the way.",
    "{name} packed little and set out from {zone} to {there}.",
    "Tired of {zone}, {name} went to see what {there} was up to.",
    "{name} had an errand in {there}, or would have one on arrival.",
    "There was a draught from {there}, and {name} went to see who had left it open.",
)


def _can(facts: Facts) -> str | None:
    if not facts.ways:
        return "no way leads out of here"
    return None if facts.stats["energy"] > facts.zone.movement_cost + 10.0 else "it is too tired to travel"


def _where(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    """One of the ways, the open ones more often."""
    mark = chance.uniform() * sum(way.permeability for way in facts.ways)
    for way in facts.ways:
        mark -= way.permeability
        if mark < 0:
            return {"to": way.name}
    return {"to": facts.ways[-1].name}


def _act(facts: Facts, decision: Decision, _chance: Chance) -> Outcome:
    way = next((w for w in facts.ways if w.name == decision.arguments.get("to")), facts.ways[0])
    return Outcome(
        STORIES,
        "Left {zone} for {there}.",
        slots={"there": way.name},
        stats={"energy": -facts.zone.movement_cost - 5.0, "exploration": 16.0},
        mood=0.03,
        activity=f"on the way to {way.name}"[:100],
        destination=way,
        importance=0.25,
        valence=0.05,
    )


register(
    Behaviour(
        "move_zone",
        cost=8.0,
        act=_act,
        expects="another place",
        bias=-1.0,
        weights={
            "stimulation": 1.4,
            "openness": 0.4,
            "entropy": 0.8,
            "neuroticism": -0.2,
            "company": 0.3,
            "crowd": -0.3,
        },
        prerequisite=_can,
        arguments=_where,
        takes={"to": "the name of a zone that a way leads to"},
    )
)

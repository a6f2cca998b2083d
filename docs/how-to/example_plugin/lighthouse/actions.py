"""An action: lighting the lamp."""

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance
from zones.state import Happening

OIL = 2.0


def _can(facts: Facts) -> str | None:
    return None if facts.zone.resources["energy"] >= OIL else "there is no oil left"


def _act(facts: Facts, decision: Decision, chance: Chance) -> Outcome:
    facts.zone.take("energy", OIL)
    bright = chance.uniform() < 0.5 + 0.5 * facts.traits["conscientiousness"]
    if bright:
        text = f"{facts.me.name} lit the lamp over {facts.zone.name}."
        facts.zone.tell(Happening(facts.tick, "lamp", text, 0.4, 0.3, by=facts.me.ordinal))
    return Outcome(
        stories=("{name} climbed the stairs and lit the lamp over {zone}.", "{name} trimmed the wick. {glow}"),
        impression="Lit the lamp over {zone}.",
        slots={"glow": "It burned clear." if bright else "It smoked."},
        stats={"energy": -8.0, "focus": 4.0},
        mood=0.1 if bright else -0.05,
        activity="tending the lamp",
        importance=0.4 if bright else 0.1,
        valence=0.3 if bright else -0.1,
    )


register(
    Behaviour(
        "light_the_lamp",
        cost=8.0,
        act=_act,
        expects="ships that come home",
        bias=0.4,
        weights={"purpose": 1.0, "conscientiousness": 0.6},
        prerequisite=_can,
        capability="lamp",
    )
)

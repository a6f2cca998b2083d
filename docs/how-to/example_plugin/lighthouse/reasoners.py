"""A kind of reasoner: who can light the lamp does so every fourth tick; for the rest the rules decide."""

from collections.abc import Sequence

from agents import behaviours, reasoners
from agents.facts import Decision, Facts
from agents.reasoners.rules import RulesReasoner

RULES = RulesReasoner()


class KeeperReasoner:
    kind = "keeper"

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        return [self._duty(facts) or usual for facts, usual in zip(batch, RULES.decide(batch), strict=True)]

    def _duty(self, facts: Facts) -> Decision | None:
        lamp = behaviours.get("light_the_lamp")
        if lamp is None or facts.me.tick_number % 4 or lamp.refusal(facts):
            return None
        return Decision("light_the_lamp", reasoning="it is the fourth tick", expected=lamp.expects)


reasoners.register(KeeperReasoner())

"""The default: utilities from needs, traits, goals and surroundings, then a seeded draw (`agents.decide`)."""

from __future__ import annotations

from collections.abc import Sequence

from agents import decide
from agents.behaviours import all_behaviours
from agents.facts import Decision, Facts
from agents.reasoners import register


class RulesReasoner:
    """Some 16 µs a decision; nothing but arithmetic."""

    kind = "rules"

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        """One decision for each."""
        return decide.choose_all(batch, all_behaviours())


register(RulesReasoner())

"""Asks a model at every tick, at any endpoint that speaks the chat completions API."""

from __future__ import annotations

from collections.abc import Sequence

from agents.facts import Decision, Facts
from agents.reasoners import STANDARD, Route, model, register


class OpenAIReasoner:
    """The agent's `model` names the endpoint; without one it is the first of the standard tier."""

    kind = "openai"

    def route(self, facts: Facts, budget: float) -> Route:
        """Always the model."""
        return Route(STANDARD)

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        """What the model said, if it is possible; else what the rules say."""
        return model.decide_all(batch)


register(OpenAIReasoner())

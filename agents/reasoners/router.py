"""Asks whom it takes: the rules when nothing is new, a cheap model for most of the rest, an expensive one when much is
at stake. Every choice goes into the log with its scores.

    worth = (0.5 · novelty + 0.5 · stakes) · (0.4 + 0.6 · budget)

Below 0.2 the rules decide, below 0.45 the cheap model, above it the expensive one. `budget` is the share of the
tightest spending cap that is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.converse import weigh, words_of
from agents.facts import Decision, Facts
from agents.reasoners import CHEAP, EXPENSIVE, RULES, Route, model, register

CHEAP_FROM, EXPENSIVE_FROM = 0.2, 0.45
FAMILIAR = 0.6
"""Share of the words of a happening that the working memory has already: then it is nothing new."""


class RouterReasoner:
    """The agent's `model` may name two endpoints: `cheap, expensive`; else it is the first of each tier."""

    kind = "router"

    def route(self, facts: Facts, budget: float) -> Route:
        """By novelty, stakes and what is left to spend, each 0–1."""
        new, at_stake = novelty(facts), stakes(facts)
        worth = (0.5 * new + 0.5 * at_stake) * (0.4 + 0.6 * budget)
        tier = RULES if worth < CHEAP_FROM else CHEAP if worth < EXPENSIVE_FROM else EXPENSIVE
        scores = {"novelty": new, "stakes": at_stake, "budget": budget, "worth": worth}
        return Route(tier, {name: round(score, 3) for name, score in scores.items()})

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        """What the model said, if one was asked and it is possible; else what the rules say."""
        return model.decide_all(batch)


def novelty(facts: Facts) -> float:
    """How much is new: the weight of what was noticed and not known already; words from somebody count fully."""
    known = {word for memory in facts.me.memories for word in words_of(memory[1])}
    seen = [max(h.importance, abs(h.valence)) for h in facts.noticed if not _familiar(h.text, known)]
    heard = [0.4 + weigh(message)[0] for message in facts.messages]
    return min(1.0, max([0.0, *heard, *(2.0 * weight for weight in seen)]))


def stakes(facts: Facts) -> float:
    """How much it matters: the most pressing need, a goal nearly reached, a person who waits for an answer."""
    goal = facts.open_goal()
    nearly = goal[1]["progress"] if goal and goal[1]["progress"] > 0.7 else 0.0
    asked = 0.8 if any(message.by is None for message in facts.messages) else 0.0
    return min(1.0, max([nearly, asked, *facts.needs.values()]))


def _familiar(text: str, known: set[str]) -> bool:
    words = words_of(text)
    return bool(words) and sum(word in known for word in words) / len(words) >= FAMILIAR


register(RouterReasoner())

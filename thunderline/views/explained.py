"""Why a memory was found, for people: the parts of its score as words, and as a bar. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REASONS = {
    "words": "says the same words",
    "meaning": "means the same",
    "before": "follows something that fits",
    "after": "said just before something that fits",
    "episode": "from a conversation that fits",
    "speaker": "by the person asked about",
    "dates": "near the date asked for",
    "answer": "holds a time or number, as asked for",
    "asks": "only asks itself",
    "recency": "is recent",
    "importance": "is important",
    "graph": "tied to others that fit",
}
AGAINST = {"meaning": "means something else"}
"""The same where they take something from a score."""
FULL = 1.0
"""Of a score, what fills a bar at least: from there on the words of a memory, or those beside it, are an answer."""
TOLD = 3
"""Reasons that are told in words; all are in the numbers."""
LEAST = 0.08
"""Of what speaks for a memory, the share below which a reason is only in the numbers."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a score. `x` and `width` are its place in the bar, 0 to 100; no width: it speaks against the memory."""

    part: str
    text: str
    value: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """`reasons`, greatest effect first, add up to `score`; `told` are those worth a word."""

    score: float
    reasons: list[Reason]
    told: list[Reason]

    @property
    def bars(self) -> list[Reason]:
        """The reasons that have a place in the bar."""
        return [reason for reason in self.reasons if reason.width]


def explain(parts: Mapping[str, float], best: float) -> Explanation:
    """`best`, above 0, is the most that speaks for any of the results: a full bar, so that bars can be compared."""
    reasons, x = [], 0.0
    for part, value in sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0])):
        width = round(100 * value / best, 2) if value > 0 else 0.0
        reasons.append(Reason(part, _text(part, value), value, round(x, 2), width))
        x += width
    least = LEAST * favour(parts)
    told = [reason for reason in reasons if abs(reason.value) > least][:TOLD]
    return Explanation(sum(parts.values()), reasons, told)


def favour(parts: Mapping[str, float]) -> float:
    """What speaks for a memory, all together."""
    return sum(value for value in parts.values() if value > 0)


def _text(part: str, value: float) -> str:
    told = REASONS.get(part, part.replace("_", " "))
    return AGAINST.get(part, told) if value < 0 else told

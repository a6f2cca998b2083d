"""Many parts to one score, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part counts. Round numbers: over wide ranges around them little changes (`docs/adr/0014-recall.md`)."""

    words: float = 1.0
    meaning: float = 0.5
    before: float = 0.5
    after: float = 0.25  # what is asked for follows the words of the question more often than it precedes them
    episode: float = 0.2
    speaker: float = 0.4
    dates: float = 0.3
    answer: float = 0.1
    asks: float = -0.1
    recency: float = 0.02  # settles what is otherwise even
    importance: float = 0.1
    graph: float = 0.1


def fuse(parts: Mapping[str, Floats], weights: Weights) -> dict[str, Floats]:
    """What each part brings to the score `[memories]`. Raises: KeyError for a part that has no weight."""
    each = asdict(weights)
    return {name: each[name] * part for name, part in parts.items()}


def total(shares: Mapping[str, Floats]) -> Floats:
    """The scores."""
    found: Floats = np.sum(list(shares.values()), axis=0)
    return found


def explain(shares: Mapping[str, Floats], place: int) -> dict[str, float]:
    """What makes up the score of one memory, greatest effect first, without what has none. Adds up to the score."""
    mine = {name: float(share[place]) for name, share in shares.items() if share[place] != 0}
    return dict(sorted(mine.items(), key=lambda item: (-abs(item[1]), item[0])))

"""BM25 with words that stand in for each other.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), 3.5: counts saturate by `k1`,
long texts are discounted by `b`. A group of near words counts as one word that occurs the sum of their weights, so that
three synonyms do not weigh three times (the same, 3.6, on combining fields before saturation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from memory.recall.signatures import Signatures

K1 = 1.2
# Memories are short: length says less about them than about articles, for which 0.75 is usual.
B = 0.5

# The keys that may stand for one word, and how much an occurrence of each counts: 1 for the word itself.
Group = Mapping[int, float]


def rarity(documents: npt.ArrayLike, total: int) -> npt.NDArray[np.float64]:
    """Inverse document frequency in the form that is never negative: ln(1 + (N − n + ½) / (n + ½))."""
    held = np.asarray(documents, dtype=np.float64)
    return np.log1p((total - held + 0.5) / (held + 0.5))


def score(signatures: Signatures, groups: Sequence[Group]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """`[memories]` scores, 0 to about K1 + 1, and `[groups]` rarities.

    Divided by the sum of rarities, so that a memory which holds each word once scores about 1, whatever was asked.
    """
    scores = np.zeros(len(signatures))
    rarities = np.zeros(len(groups))
    if not len(signatures) or not groups:
        return scores, rarities
    average = signatures.lengths.mean() or 1.0
    saturation = K1 * (1 - B + B * signatures.lengths / average)
    held = signatures.occurrences({key for group in groups for key in group})
    for place, group in enumerate(groups):
        counts = held.counted(group)
        rarities[place] = rarity(np.minimum(counts, 1).sum(), len(signatures))
        scores += rarities[place] * counts * (K1 + 1) / (counts + saturation)
    return scores / rarities.sum(), rarities

"""Words of nearly the same meaning, by the vectors of an embedder's own vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Cosines of WordLlama's vectors: "bought" is 0.58 from "buy", "sell" 0.44, and unrelated words are below 0.3.
NEAREST = 0.4
MOST = 20


class Lexicon:
    """Known words and their vectors `[words, dimensions]`, which need not be of length 1."""

    def __init__(self, words: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        self._words = tuple(words)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._vectors = vectors / np.where(lengths > 0, lengths, 1)

    def __len__(self) -> int:
        return len(self._words)

    def near(self, vectors: npt.NDArray[np.float32]) -> list[list[tuple[str, float]]]:
        """For each of the unit vectors `[n, dimensions]` the known words with a cosine of at least `NEAREST` to it.

        Nearest first, at most `MOST`.
        """
        if not self._words:
            return [[] for _ in vectors]
        return [self._nearest(cosines) for cosines in vectors @ self._vectors.T]

    def _nearest(self, cosines: npt.NDArray[np.float32]) -> list[tuple[str, float]]:
        near = np.flatnonzero(cosines >= NEAREST)
        order = near[np.argsort(-cosines[near], kind="stable")][:MOST]
        return [(self._words[place], float(cosines[place])) for place in order]


NOTHING = Lexicon((), np.zeros((0, 1), dtype=np.float32))

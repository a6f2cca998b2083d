"""The vector of a question, from its words and their rarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def direction(vectors: npt.NDArray[np.float32], rarities: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The unit vector of the words' vectors `[words, dim]`, weighed by how rare they are `[words]`; zeros without any.

    After Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (2017), for the question
    only: the vectors of memories stay as they are when the agent's words change.
    """
    total = (vectors * rarities[:, None]).sum(axis=0)
    length = np.linalg.norm(total)
    unit: npt.NDArray[np.float32] = (total / length if length > 0 else total).astype(np.float32)
    return unit

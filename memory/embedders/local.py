"""The default embedder: WordLlama's 256-dimension model, which comes in its wheel. No network, about 20 µs a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wordllama


class LocalEmbedder:
    """Average-pooled static token embeddings; about a second and 150 MB to load, once a process."""

    model = "wordllama-l2-256"
    dimensions = 256

    def __init__(self) -> None:
        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=self.dimensions)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Array `[len(texts), 256]` of unit rows."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = self._model.embed(list(texts), norm=False)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), dtype=np.float32)

"""The default embedder: WordLlama's 256-dimension model, which comes in its wheel. No network, about 20 µs a text."""

from __future__ import annotations

import os
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
        # The workers fill the cores; threads of the tokenizer's own would only be in their way.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        folder = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=self.dimensions)
        self._tokenizer, self._vectors = model.tokenizer, model.embedding
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Array `[len(texts), 256]` of unit rows: the direction of the mean of the tokens' vectors."""
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        for row, encoding in zip(found, encoded, strict=True):
            self._vectors[encoding.ids].sum(axis=0, out=row)  # without the padding that the library's own way needs
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, lengths, out=found, where=lengths > 0)

"""The default embedder: WordLlama's 256-dimension model, which comes in its wheel. No network, about 20 µs a text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import wordllama

from memory.recall import terms
from memory.recall.lexicon import Lexicon


class LocalEmbedder:
    """Average-pooled static token embeddings; about a second and 150 MB to load, once a process.

    The model is made so that the first 64 or 128 dimensions are good vectors too.
    """

    name = "local:wordllama-l2-256"
    remote = False
    full = 256

    def __init__(self, dimensions: int = full) -> None:
        self.dimensions = dimensions
        self.key = f"{self.name}/{dimensions}"
        self._tokenizer, vectors = _model()
        self._vectors = np.ascontiguousarray(vectors[:, :dimensions])
        self.lexicon = _lexicon(dimensions)

    def embed(self, texts: Sequence[str], *, within_s: float | None = None) -> npt.NDArray[np.float32]:
        """Array `[len(texts), dimensions]` of unit rows: the direction of the mean of the tokens' vectors."""
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        for row, encoding in zip(found, encoded, strict=True):
            self._vectors[encoding.ids].sum(axis=0, out=row)  # without the padding that the library's own way needs
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, lengths, out=found, where=lengths > 0)


@cache
def _model() -> tuple[Any, npt.NDArray[np.float32]]:
    # The workers fill the cores; threads of the tokenizer's own would only be in their way.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=LocalEmbedder.full)
    model.tokenizer.no_padding()
    return model.tokenizer, model.embedding


_WORD = re.compile(r"▁[a-z]{3,}")
"""Tokens that are whole words."""


@cache
def _lexicon(dimensions: int) -> Lexicon:
    """The words of the model's own vocabulary, some ten thousand, without those of grammar."""
    tokenizer, vectors = _model()
    words = {token[1:]: n for token, n in tokenizer.get_vocab().items() if _WORD.fullmatch(token)}
    kept = sorted(words.keys() - terms.STOP)
    return Lexicon(kept, vectors[[words[word] for word in kept], :dimensions])

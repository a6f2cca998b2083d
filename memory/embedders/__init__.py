"""Embedders: text in, one vector a text out. A kind is one module with a class that satisfies `Embedder`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Embedder(Protocol):
    """Turns texts into unit vectors. Safe to call from one thread at a time."""

    model: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Array `[len(texts), dimensions]`, rows of length 1 (all zeros for a text without words)."""
        ...


@cache
def embedder() -> Embedder:
    """The embedder of this process, loaded at first use."""
    from memory.embedders.local import LocalEmbedder

    return LocalEmbedder()

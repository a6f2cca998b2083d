"""Embedders: text in, one vector a text out. A kind is one module with a class that satisfies `Embedder`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from django.conf import settings

from domains.thunderflow import faults
from memory.recall.lexicon import Lexicon


class EmbeddingFailed(Exception):
    """No vectors came. `error_class` (of `thunderflow.faults`) says what to do: `validation` is a text's own fault."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(faults.storable(message)[:500])
        self.error_class = error_class


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    """The kind and its model: vectors of two names are never compared."""
    dimensions: int
    remote: bool
    """Whether it reaches over a network. Then it is asked outside of transactions only."""
    lexicon: Lexicon
    """Words whose vectors it knows, and adds up to those of texts; `lexicon.NOTHING` for one that works otherwise."""

    @property
    def key(self) -> str:
        """Name and dimensions, as the rows of its vectors have it."""
        ...

    def embed(self, texts: Sequence[str], *, within_s: float | None = None) -> npt.NDArray[np.float32]:
        """Array `[len(texts), dimensions]`, rows of length 1 (all zeros for a text without words).

        Raises: EmbeddingFailed, when `within_s` seconds (None: as long as the kind finds right) brought none.
        """
        ...


Setting = Mapping[str, Any]


def _local(setting: Setting) -> Embedder:
    from memory.embedders.local import LocalEmbedder

    return LocalEmbedder(setting["dimensions"] or LocalEmbedder.full)


def _openai(setting: Setting) -> Embedder:
    from memory.embedders.openai import OpenAIEmbedder

    return OpenAIEmbedder(
        base_url=setting["url"],
        api_key=setting["key"] or "",
        model=setting["model"],
        dimensions=setting["dimensions"] or OpenAIEmbedder.usual,
    )


KINDS: dict[str, Callable[[Setting], Embedder]] = {"local": _local, "openai": _openai}


def embedder() -> Embedder:
    """The embedder of this process, as it is set; loaded at first use, and anew after a fork."""
    return _made(os.getpid(), *settings.EMBEDDER.items())


@lru_cache(maxsize=4)
def _made(_pid: int, *items: tuple[str, Any]) -> Embedder:
    setting = dict(items)
    return KINDS[setting["kind"]](setting)

"""From texts to vectors of the embedder in use, without ever failing a store or reaching over a network in one.

A remote embedder is asked outside of transactions only: what is stored waits for `actions.embed_waiting`, and a
question within a transaction goes without a vector, by its words.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db import connection

from memory import metrics, vectors
from memory.embedders import EmbeddingFailed, embedder

logger = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""Longest wait for the vector of a question."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in half precision, `[n, dimensions]`, and the key of the embedder that made them."""

    name: str
    halves: npt.NDArray[np.float16]


def current() -> str:
    """Key of the embedder in use, as rows name it; only rows of it are compared with its vectors."""
    return embedder().key


def of_memories(texts: Sequence[str]) -> Embedded | None:
    """Vectors of texts that are about to be stored; None: they are to be embedded later."""
    return None if embedder().remote else _embedded(texts)


def of_questions(texts: Sequence[str]) -> Embedded | None:
    """Vectors of questions; None: there are none to be had now, and words must do."""
    if embedder().remote and connection.in_atomic_block:
        return None
    return _embedded(texts, within_s=PATIENCE_S)


def _embedded(texts: Sequence[str], *, within_s: float | None = None) -> Embedded | None:
    one = embedder()
    try:
        return Embedded(one.key, vectors.halves(one.embed(texts, within_s=within_s)))
    except EmbeddingFailed as failure:
        metrics.embedding_failed.labels(failure.error_class).inc()
        logger.warning("%s gave no vectors: %s", one.key, failure)
    except Exception:
        metrics.embedding_failed.labels("permanent").inc()
        logger.exception("%s broke", one.key)
    return None

"""From a question and an agent's memories to an order. See the package for how the parts combine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory.recall import bm25, dates, fuse, marks, neighbours, terms
from memory.recall.lexicon import Lexicon
from memory.recall.question import Question
from memory.recall.signatures import Signatures

HALF_LIFE_DAYS = 30.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Worded:
    """What the words alone say: `scores [memories]`, and `rarities [words]` for `meaning.direction`."""

    scores: Floats
    rarities: Floats


@dataclass(frozen=True, slots=True)
class Scored:
    """All memories with their scores, and what each part brings to them; arrays `[memories]`, oldest first."""

    shares: dict[str, Floats]
    scores: Floats
    weights: fuse.Weights

    def best(self, limit: int, allowed: npt.NDArray[np.bool_] | None = None) -> list[int]:
        """The places of the highest scores, highest first; of equals the newer. `allowed` says which may be among them.

        Sorts few of them.
        """
        places = np.arange(len(self.scores)) if allowed is None else np.flatnonzero(allowed)
        if 0 < limit < len(places):
            least = np.partition(self.scores[places], -limit)[-limit]
            places = places[self.scores[places] >= least]
        found: list[int] = places[np.lexsort((-places, -self.scores[places]))][:limit].tolist()
        return found

    def explain(self, place: int) -> dict[str, float]:
        """What makes up the score of one memory, greatest effect first."""
        return fuse.explain(self.shares, place)

    def with_part(self, name: str, values: Floats) -> Scored:
        """The same with one part more, 0 to 1 `[memories]`."""
        more = fuse.fuse({name: values}, self.weights)
        return Scored(self.shares | more, self.scores + more[name], self.weights)


def groups(words: Sequence[str], vectors: npt.NDArray[np.float32], lexicon: Lexicon) -> list[bm25.Group]:
    """For each word the keys that may stand for it. `vectors [words, dim]` are the unit vectors of the words.

    A near word counts the square of its cosine: a sixth where it is only just near enough.
    """
    return [_group(word, near) for word, near in zip(words, lexicon.near(vectors), strict=True)]


def _group(word: str, near: Sequence[tuple[str, float]]) -> bm25.Group:
    found: dict[int, float] = {}
    for other, cosine in near:
        key = terms.word_key(other)
        found[key] = max(found.get(key, 0.0), cosine**2)
    return found | {terms.word_key(word): 1.0}


def by_words(signatures: Signatures, wanted: Sequence[bm25.Group]) -> Worded:
    """The first half, before the vectors of memories are needed."""
    return Worded(*bm25.score(signatures, wanted))


def score(
    asked: Question,
    signatures: Signatures,
    worded: Worded,
    *,
    similarity: Floats,
    at: Floats,
    now_s: float,
    others: Mapping[str, Floats] | None = None,
    weights: fuse.Weights | None = None,
) -> Scored:
    """How well each memory answers.

    Arrays are `[memories]`, oldest first: `similarity` to the question's vector (0 where a memory has none yet),
    `at` in seconds. `others` are parts from elsewhere, such as `importance`, 0 to 1.
    """
    weights = weights or fuse.Weights()
    parts = _parts(asked, signatures, worded, similarity=similarity, at=at, now_s=now_s, weights=weights)
    shares = fuse.fuse({**parts, **(others or {})}, weights)
    return Scored(shares, fuse.total(shares), weights)


def _parts(
    asked: Question,
    signatures: Signatures,
    worded: Worded,
    *,
    similarity: Floats,
    at: Floats,
    now_s: float,
    weights: fuse.Weights,
) -> dict[str, Floats]:
    text = weights.words * worded.scores + weights.meaning * similarity
    episode = neighbours.episodes(at)
    return {
        "words": worded.scores,
        "meaning": similarity,
        "before": neighbours.before(text, episode),
        "after": neighbours.after(text, episode),
        "episode": neighbours.best(text, episode),
        "speaker": said_by(asked.words, signatures),
        "dates": dates.nearness(at, asked.spans),
        "answer": _holding(asked.wants, signatures),
        "asks": _holding({marks.ASKS}, signatures),
        "recency": dates.halved(np.maximum(now_s - at, 0), HALF_LIFE_DAYS),
    }


def said_by(words: Sequence[str], signatures: Signatures) -> Floats:
    """`[memories]`: 1 where somebody named among the words said it; 0 for all if all speakers are named."""
    named = _holding({marks.by(word) for word in words}, signatures)
    others = signatures.marked(marks.by()) & (named == 0)
    return named if others.any() else np.zeros_like(named)


def _holding(wanted: AbstractSet[str], signatures: Signatures) -> Floats:
    """`[memories]`: 1 where there is any of the marks."""
    found = np.zeros(len(signatures), dtype=bool)
    for mark in wanted:
        found |= signatures.marked(mark)
    return found.astype(np.float64)

"""A summary without a model: the sentences of an episode that say most of it. Pure, and the same each time.

Sentences are compared by their words (tf-idf, of the episode's own sentences). One counts for how near it is to all
others (after Erkan and Radev, "LexRank", 2004), how much is in it, and how important its memory is; the best are taken
one after the other, each for what those before have not said (after Carbonell and Goldstein, "MMR", 1998).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory.recall import terms

_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[^a-z\s])")
LONGEST_SENTENCE = 400
"""Characters. What goes on for longer is cut at a word."""
MOST_CONSIDERED = 400
"""Sentences of one episode; of longer ones the most important memories count."""
FEWEST, MOST, SHARE = 2, 6, 0.25
"""Sentences that are taken: a quarter, within bounds."""
CENTRAL, INFORMATIVE, IMPORTANT = 0.5, 0.25, 0.25
REPEATED = 0.7
"""What being like a sentence that is taken already costs."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """One memory of an episode, as far as its summary goes."""

    text: str
    importance: float = 0.5


def summary(memories: Sequence[Said]) -> str:
    """The sentences that say most, in the order of the memories, with a blank between; "" of none."""
    sentences = _sentences(memories)
    if not sentences:
        return ""
    vectors = _vectors([text for text, _ in sentences])
    alike = vectors @ vectors.T
    informative = np.array([len(set(terms.content(terms.words(text)))) for text, _ in sentences], dtype=np.float64)
    importance = np.array([weight for _, weight in sentences])
    worth = CENTRAL * _scaled(_central(alike)) + INFORMATIVE * _scaled(np.log1p(informative)) + IMPORTANT * importance
    wanted = min(MOST, max(FEWEST, round(SHARE * len(sentences))))
    return " ".join(sentences[place][0] for place in sorted(_diverse(worth, alike, wanted)))


def _sentences(memories: Sequence[Said]) -> list[tuple[str, float]]:
    """Each once, with the importance of its memory."""
    found: dict[str, float] = {}
    for memory in memories:
        for raw in _END.split(" ".join(memory.text.split())):
            text = _cut(raw.strip())
            if any(sign.isalnum() for sign in text):
                text = text if text[-1] in ".!?…\"'”’)" else text + "."
                found[text] = max(memory.importance, found.get(text, 0.0))
    if len(found) <= MOST_CONSIDERED:
        return list(found.items())
    least = sorted(found.values(), reverse=True)[MOST_CONSIDERED - 1]
    return [one for one in found.items() if one[1] >= least][:MOST_CONSIDERED]


def _cut(text: str) -> str:
    if len(text) <= LONGEST_SENTENCE:
        return text
    begun = text[: LONGEST_SENTENCE - 1]
    return (begun.rsplit(" ", 1)[0] if " " in begun else begun) + "…"


def _vectors(sentences: Sequence[str]) -> Floats:
    """`[sentences, terms]`: tf-idf rows of length 1; zeros of one that is all grammar."""
    stems = [[terms.stem(word) for word in terms.content(terms.words(text))] for text in sentences]
    columns = {term: place for place, term in enumerate(dict.fromkeys(term for row in stems for term in row))}
    counts = np.zeros((len(sentences), max(1, len(columns))))
    for row, its in zip(counts, stems, strict=True):
        for term in its:
            row[columns[term]] += 1
    within = np.maximum(1, (counts > 0).sum(axis=0))
    weighed: Floats = counts * np.log1p(len(sentences) / within)
    lengths = np.linalg.norm(weighed, axis=1, keepdims=True)
    return np.divide(weighed, lengths, out=np.zeros_like(weighed), where=lengths > 0)


def _central(alike: Floats) -> Floats:
    """How near each sentence is to all others, on average."""
    found: Floats = (alike.sum(axis=1) - np.diag(alike)) / max(1, len(alike) - 1)
    return found


def _scaled(values: Floats) -> Floats:
    most = values.max()
    found: Floats = values / most if most > 0 else values
    return found


def _diverse(worth: Floats, alike: Floats, wanted: int) -> list[int]:
    """Places of the best, each weighed against those taken before it; of equals the first."""
    taken: list[int] = []
    left = list(range(len(worth)))
    while left and len(taken) < wanted:
        worths = [worth[i] - REPEATED * max((alike[i, j] for j in taken), default=0.0) for i in left]
        # Rounded, so that another order of adding up chooses no other.
        taken.append(left.pop(max(range(len(left)), key=lambda n: (round(float(worths[n]), 9), -n))))
    return taken

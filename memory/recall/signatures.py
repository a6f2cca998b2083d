"""The signature of a memory: its terms with counts and its marks in some 80 bytes, kept in its row.

Little-endian 32-bit numbers. Upper 28 bits are a key (`terms.key`), the lowest four its count, at most 15, where BM25
has long levelled off; a count of 0 makes it a mark. A final 0 ends it, so that signatures in a row can be told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory.recall import marks, terms

_MOST = (1 << terms.COUNT_BITS) - 1
_COUNT = np.uint32(_MOST)
_BUCKET = 16


def pack(text: str) -> bytes:
    """The signature of a text. Depends on the text only."""
    said = terms.words(text)
    counts = Counter(map(terms.word_key, terms.content(said)))
    numbers = [key | min(count, _MOST) for key, count in counts.items()]
    numbers += [terms.key(mark) for mark in sorted(marks.marks(text, said))]
    return np.array([*numbers, 0], dtype="<u4").tobytes()


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Entries with a count: of which key, how many, and in which memory, counted from 0."""

    keys: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint32]
    places: npt.NDArray[np.intp]
    total: int

    def counted(self, weights: Mapping[int, float]) -> npt.NDArray[np.float64]:
        """`[memories]`: how often the keys occur, each occurrence counting its weight."""
        found = np.zeros(self.total)
        for key, weight in weights.items():
            mine = self.keys == key
            found[self.places[mine]] += weight * self.counts[mine]
        return found


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signatures of memories in a row; `len` is how many.

    `ends` are where in `numbers` the final zero of each is, in the order of `numbers`; `places` says which memory that
    is. `lengths [memories]` are their terms, repetitions counted.
    """

    numbers: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]
    lengths: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ends)

    def occurrences(self, wanted: Collection[int]) -> Occurrences:
        """Where these keys of terms occur."""
        # Two steps: a table by the upper half of the bits leaves a few entries for the exact comparison.
        keys = np.array(sorted(wanted), dtype=np.uint32)
        table = np.zeros(1 << (32 - _BUCKET), dtype=bool)
        table[keys >> _BUCKET] = True
        near = np.flatnonzero(table[self.numbers >> _BUCKET])
        counts = self.numbers[near] & _COUNT
        near = near[np.isin(self.numbers[near] - counts, keys) & (counts > 0)]
        counts = self.numbers[near] & _COUNT
        return Occurrences(self.numbers[near] - counts, counts, self._memories(near), len(self))

    def marked(self, mark: str) -> npt.NDArray[np.bool_]:
        """`[memories]`: which have the mark."""
        found = np.zeros(len(self), dtype=bool)
        found[self._memories(np.flatnonzero(self.numbers == terms.key(mark)))] = True
        return found

    def _memories(self, entries: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        return self.places[np.searchsorted(self.ends, entries)]


def unpack(packed: bytes, order: npt.NDArray[np.intp] | None = None) -> Signatures:
    """Signatures that follow each other in one string, as `string_agg` gives them. Raises: ValueError if cut off.

    `order [memories]` says which of the string's comes first, second and so on; by default they are in order.
    """
    numbers = np.frombuffer(packed, dtype="<u4").astype(np.uint32, copy=False)
    if numbers.size and numbers[-1] != 0:
        raise ValueError("the last signature has no end")
    ends = np.flatnonzero(numbers == 0)
    # Each has at least its end, so no stretch is empty.
    starts = np.concatenate([np.zeros(min(len(ends), 1), dtype=np.intp), ends[:-1] + 1])
    lengths = np.add.reduceat(numbers & _COUNT, starts, dtype=np.float64)
    if order is None:
        return Signatures(numbers, ends, np.arange(len(ends)), lengths)
    places = np.empty(len(ends), dtype=np.intp)
    places[order] = np.arange(len(ends))
    return Signatures(numbers, ends, places, lengths[order])

"""Chance that can be repeated: numbers that follow from (world seed, ordinal, tick, purpose) and from nothing else.

SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), one stream per key.
No process, clock, hash seed or order of calls elsewhere can change what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 53)


def _mix(z: Any) -> Any:
    """One step of the generator, of an integer or of an array of uint64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@cache
def _purpose_key(purpose: str) -> int:
    return int(_mix((crc32(purpose.encode()) + _GAMMA) & _MASK))


def _start(seed: Any, ordinal: Any, tick: Any, purpose: str) -> Any:
    """The first state of a stream, or of many when integers are arrays."""
    key = _mix((seed + _GAMMA) & _MASK) ^ _purpose_key(purpose)
    key = _mix((key + ordinal * _GAMMA) & _MASK)
    return _mix((key ^ (tick * 0xD1B54A32D192ED03)) & _MASK)


class Chance:
    """One stream of draws. Each call takes the next number of the stream."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, ordinal: int, tick: int, purpose: str) -> None:
        """`seed` is the world's, `ordinal` the agent's or zone's in it, `tick` the world's or the agent's own."""
        self._state: int = _start(seed, ordinal, tick, purpose)

    @classmethod
    def many(cls, keys: Iterable[tuple[int, int, int]], purpose: str) -> list[Chance]:
        """A stream for each (seed, ordinal, tick), in order; for a chunk of agents an eighth of the cost."""
        seeds, ordinals, ticks = np.array(list(keys), dtype=np.uint64).reshape(-1, 3).T
        return [cls._of(state) for state in _start(seeds, ordinals, ticks, purpose).tolist()]

    @classmethod
    def _of(cls, state: int) -> Chance:
        chance = cls.__new__(cls)
        chance._state = state
        return chance

    def uniform(self) -> float:
        """A float in [0, 1) with 53 random bits."""
        self._state = (self._state + _GAMMA) & _MASK
        return (_mix(self._state) >> 11) * _UNIT

    def between(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self.uniform()

    def index(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self.uniform() * n)

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`, which must not be empty."""
        return items[int(self.uniform() * len(items))]

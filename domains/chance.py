"""Chance that can be repeated: numbers that follow from (world seed, ordinal, tick, purpose) and from nothing else.

SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), one stream per key.
No process, clock, hash seed or order of calls elsewhere can change what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 53)


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@cache
def _purpose_key(purpose: str) -> int:
    return _mix((crc32(purpose.encode()) + _GAMMA) & _MASK)


class Chance:
    """One stream of draws. Each call takes the next number of the stream."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, ordinal: int, tick: int, purpose: str) -> None:
        """`seed` is the world's, `ordinal` the agent's or zone's in it, `tick` the world's or the agent's own."""
        key = _mix((seed + _GAMMA) & _MASK) ^ _purpose_key(purpose)
        key = _mix((key + ordinal * _GAMMA) & _MASK)
        self._state = _mix((key ^ (tick * 0xD1B54A32D192ED03)) & _MASK)

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

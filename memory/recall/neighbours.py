"""What was said just before and after: an answer seldom repeats the words of what it answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Half an hour of silence ends a conversation.
GAP_S = 1800.0
REACH = 3
DECAY = 0.5

Floats = npt.NDArray[np.float64]


def episodes(at: Floats) -> npt.NDArray[np.intp]:
    """`[memories]`: the number of the episode of each, from instants in seconds, oldest first."""
    return np.concatenate([np.zeros(min(len(at), 1), dtype=np.intp), np.cumsum(np.diff(at) > GAP_S)])


def before(values: Floats, episode: npt.NDArray[np.intp]) -> Floats:
    """The sum of up to `REACH` values before each in its episode: the last fully, each further one `DECAY` as much."""
    found = np.zeros_like(values)
    for step in range(1, min(REACH, len(values) - 1) + 1):
        together = episode[step:] == episode[:-step]
        found[step:] += DECAY ** (step - 1) * np.where(together, values[:-step], 0)
    return found


def after(values: Floats, episode: npt.NDArray[np.intp]) -> Floats:
    """The same of those after it."""
    return before(values[::-1], episode[::-1])[::-1]


def best(values: Floats, episode: npt.NDArray[np.intp]) -> Floats:
    """The highest value of each memory's episode."""
    if not len(values):
        return values
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    found: Floats = np.maximum.reduceat(values, starts)[episode]
    return found

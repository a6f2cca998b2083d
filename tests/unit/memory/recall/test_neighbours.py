import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import neighbours

VALUES = st.lists(st.floats(-1, 1), max_size=12).map(np.array)


def test_half_an_hour_of_silence_ends_an_episode() -> None:
    assert neighbours.episodes(np.array([0.0, 60, 1860, 3660.5])).tolist() == [0, 0, 0, 1]
    assert neighbours.episodes(np.array([5.0])).tolist() == [0]
    assert neighbours.episodes(np.array([])).tolist() == []


def test_what_was_said_before_and_after_in_the_same_episode() -> None:
    values, episode = np.array([8.0, 0, 0, 0, 0, 4.0]), np.array([0, 0, 0, 0, 0, 1])
    assert neighbours.before(values, episode).tolist() == [0, 8, 4, 2, 0, 0]
    assert neighbours.after(values, episode).tolist() == [0, 0, 0, 0, 0, 0]
    assert neighbours.after(values, np.zeros(6, dtype=int)).tolist() == [0, 0, 1, 2, 4, 0]


def test_the_best_of_each_episode() -> None:
    assert neighbours.best(np.array([1.0, 3, -1, -2]), np.array([0, 0, 1, 1])).tolist() == [3, 3, -1, -1]


@given(VALUES)
def test_alone_nothing_has_neighbours(values: np.ndarray) -> None:
    apart = np.arange(len(values))
    assert not neighbours.before(values, apart).any()
    assert not neighbours.after(values, apart).any()
    assert neighbours.best(values, apart).tolist() == values.tolist()


@given(VALUES)
def test_after_is_before_seen_from_the_other_end(values: np.ndarray) -> None:
    together = np.zeros(len(values), dtype=int)
    assert neighbours.after(values, together).tolist() == neighbours.before(values[::-1], together)[::-1].tolist()

import numpy as np
import pytest

from memory.recall import meaning


def test_rare_words_turn_it_most() -> None:
    found = meaning.direction(np.eye(2, dtype=np.float32), np.array([3.0, 4.0]))
    assert found == pytest.approx([0.6, 0.8])
    assert found.dtype == np.float32


def test_without_words_it_is_zero() -> None:
    assert meaning.direction(np.zeros((0, 3), np.float32), np.zeros(0)).tolist() == [0, 0, 0]
    assert meaning.direction(np.zeros((1, 2), np.float32), np.ones(1)).tolist() == [0, 0]

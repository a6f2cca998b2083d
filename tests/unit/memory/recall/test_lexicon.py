import numpy as np
import pytest

from memory.recall.lexicon import MOST, NOTHING, Lexicon

UNIT = np.array([[1, 0]], dtype=np.float32)


def test_near_words_by_cosine_whatever_the_lengths() -> None:
    vectors = np.array([[3, 0], [0.2, 0.1], [0, 5], [0, 0]], dtype=np.float32)
    (near,) = Lexicon(["buy", "purchase", "sky", ""], vectors).near(UNIT)
    assert [word for word, _ in near] == ["buy", "purchase"]
    assert [cosine for _, cosine in near] == pytest.approx([1, 2 / 5**0.5])


def test_no_more_than_most() -> None:
    assert len(Lexicon([str(n) for n in range(50)], np.ones((50, 2), np.float32)).near(UNIT)[0]) == MOST


def test_each_word_has_its_own_list_and_none_is_known_to_an_empty_one() -> None:
    assert NOTHING.near(np.eye(2, dtype=np.float32)) == [[], []]
    assert Lexicon(["a"], UNIT).near(np.eye(2, dtype=np.float32)) == [[("a", 1.0)], []]

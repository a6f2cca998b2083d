import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import bm25, signatures, terms
from memory.recall.signatures import Signatures

WORDS = st.lists(st.sampled_from(["tea", "milk", "sugar", "lemon", "honey", "ginger"]), min_size=1, max_size=8)


def signed(*texts: str) -> Signatures:
    return signatures.unpack(b"".join(map(signatures.pack, texts)))


def of(*words: str) -> list[bm25.Group]:
    return [{terms.word_key(word): 1.0} for word in words]


def test_by_hand() -> None:
    """Two memories of two words each: lengths are average, so one occurrence gives (k1 + 1) / (1 + k1) = 1."""
    scores, rarities = bm25.score(signed("tea milk", "tea honey"), of("milk", "tea"))
    assert rarities == pytest.approx([np.log(2), np.log(1.2)])
    assert scores == pytest.approx([1, np.log(1.2) / (np.log(2) + np.log(1.2))])


def test_a_long_memory_counts_less() -> None:
    scores, _ = bm25.score(signed("tea", "tea milk sugar lemon"), of("tea"))
    assert scores[0] > scores[1] > 0


def test_synonyms_are_one_word_and_count_less_than_it() -> None:
    group: bm25.Group = {terms.word_key("car"): 1.0, terms.word_key("lorry"): 0.25}
    scores, rarities = bm25.score(signed("car", "lorry", "boat"), [group])
    assert scores[0] > scores[1] > scores[2] == 0
    assert rarities == pytest.approx(bm25.rarity([1.25], 3))


def test_nothing_to_search_or_to_ask() -> None:
    assert bm25.score(signed(), of("tea"))[0].tolist() == []
    assert bm25.score(signed("tea"), [])[0].tolist() == [0]
    assert bm25.score(signed("", ""), of("tea"))[0].tolist() == [0, 0]


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_scores_are_in_bounds_and_only_for_what_holds_a_word(memories: list[list[str]], asked: list[str]) -> None:
    scores, rarities = bm25.score(signed(*map(" ".join, memories)), of(*set(asked)))
    assert (rarities > 0).all()
    for score, words in zip(scores, memories, strict=True):
        assert 0 <= score < bm25.K1 + 1
        assert (score > 0) == bool(set(words) & set(asked))


@given(st.integers(1, 10_000), st.data())
def test_the_rarer_the_more(total: int, data: st.DataObject) -> None:
    fewer, more = sorted([data.draw(st.integers(0, total)), data.draw(st.integers(0, total))])
    assert bm25.rarity(fewer, total) >= bm25.rarity(more, total) > 0

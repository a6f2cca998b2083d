from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import marks, signatures, terms

TEXTS = st.lists(st.text(max_size=60), max_size=8)


@given(TEXTS, st.sets(st.sampled_from("bcxyz012")))
def test_a_word_is_found_where_it_is_and_nowhere_else(texts: list[str], wanted: set[str]) -> None:
    found = signatures.unpack(b"".join(map(signatures.pack, texts)))
    occurrences = found.occurrences({terms.word_key(word) for word in wanted})
    words = [terms.content(terms.words(text)) for text in texts]
    for word in wanted:
        expected = [min(mine.count(word), 15) for mine in words]
        assert occurrences.counted({terms.word_key(word): 1.0}).tolist() == expected
    assert len(occurrences.keys) == sum(len(set(mine) & wanted) for mine in words)


@given(TEXTS)
def test_marks_and_lengths_are_those_of_the_texts(texts: list[str]) -> None:
    found = signatures.unpack(b"".join(map(signatures.pack, texts)))
    assert len(found) == len(texts)
    counts = [Counter(map(terms.word_key, terms.content(terms.words(text)))) for text in texts]
    assert found.lengths.tolist() == [sum(min(count, 15) for count in mine.values()) for mine in counts]
    for mark in (marks.ASKS, marks.NUMBER, marks.by()):
        assert found.marked(mark).tolist() == [mark in marks.marks(text) for text in texts]


def test_counts_stop_at_fifteen() -> None:
    assert signatures.unpack(signatures.pack("tea " * 40)).lengths.tolist() == [15]


def test_occurrences_are_weighed() -> None:
    found = signatures.unpack(signatures.pack("car car lorry") + signatures.pack("boat") + signatures.pack(""))
    weights = {terms.word_key("car"): 1.0, terms.word_key("lorry"): 0.5}
    assert found.occurrences(weights).counted(weights).tolist() == [2.5, 0, 0]


def test_marks_are_no_words() -> None:
    found = signatures.unpack(signatures.pack("Ann: why?"))
    assert found.marked(marks.by("ann")).tolist() == [True]
    assert not found.occurrences({terms.key(marks.by("ann"))}).keys.size


def test_a_cut_signature_is_refused() -> None:
    with pytest.raises(ValueError, match="no end"):
        signatures.unpack(signatures.pack("tea")[:-4])


def test_a_sentence_takes_less_than_a_hundred_bytes() -> None:
    text = "Ann: I went to the market yesterday with my sister and we bought three baskets of apples for the fair."
    assert len(signatures.pack(text)) < 100

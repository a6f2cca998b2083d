from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ann's dog didn't bark!", ["ann", "dog", "didn", "bark"]),
        ("It’s 3 o'clock", ["it", "3", "oclock"]),
        ("LGBTQ+ folks, e-mail_me", ["lgbtq", "folks", "e", "mail", "me"]),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", ["full", "width"]),
        ("… — !", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert terms.words(text) == words


def test_grammar_is_left_out() -> None:
    assert terms.content(["when", "did", "ann", "go", "to", "", "paris"]) == ["ann", "go", "paris"]


def test_inflections_share_a_key() -> None:
    assert len({terms.word_key(word) for word in ("paint", "paints", "painted", "painting")}) == 1
    assert terms.word_key("paint") != terms.word_key("point")


@given(st.text())
def test_keys_are_28_bits_above_the_count_and_never_the_end(term: str) -> None:
    key = terms.key(term)
    assert 0 < key < 2**32
    assert key % 16 == 0


def test_stems_are_the_same_in_any_thread() -> None:
    words = [f"{stem}{ending}" for stem in ("camp", "walk", "hik") for ending in ("ed", "ing", "er", "s")] * 200
    alone = [terms.stem(word) for word in words]
    terms.stem.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(terms.stem, words)) == alone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.texts import Recalled, digest, layers, normalised

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=80)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bridge is shut.", "the  bridge is\nshut"),
        ("  The bridge is shut ", "The bridge is shut."),
        ("STRASSE", "straße"),
        ("ﬁne", "fine"),
        ("Ｗｉｄｅ", "wide"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_what_is_the_same_memory(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("He left?", "He left."), ("He left!", "He left."), ("a b", "ab"), (".", ""), ("3.5", "35"), ("Ann", "Anne")],
)
def test_what_is_another_one(one: str, other: str) -> None:
    assert digest(one) != digest(other)


@given(TEXTS)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalised(text)
    assert len(digest(text)) == 16
    assert normalised(once) == once or not once.isascii()


@given(TEXTS)
def test_case_and_space_make_no_other_memory(text: str) -> None:
    if text.isascii():
        assert digest(f" {text.upper()}\n") == digest(text)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("Ann said: “The bridge is shut.”", "the bridge is shut"),
        ("I remember that the bridge is shut", "the bridge is shut"),
        ("Remembered: the bridge is shut", "the bridge is shut"),
        ("Ann of the harbour told me that Bo said: 'The bridge is shut.'", "the bridge is shut"),
        ("The bridge is shut.", "the bridge is shut"),
        ("She thought back: the bridge is shut", "the bridge is shut"),
        ("Ann said", "ann said"),
    ],
)
def test_what_is_left_without_who_said_so(text: str, last: str) -> None:
    assert layers(text)[-1] == last


@pytest.mark.parametrize(
    ("recalled", "text", "echo"),
    [
        ("The bridge is shut.", "the bridge is shut", True),
        ("The bridge is shut.", "I remember that the bridge is shut.", True),
        ("The bridge is shut.", "Ann said: “The bridge is shut.”", True),
        ("Ann said: “The bridge is shut.”", "The bridge is shut.", True),
        ("Ann said: “The bridge is shut.”", "I recall that Ann said: “The bridge is shut.”", True),
        ("Ann said: “The bridge is shut.”", "Bo said: “The bridge is shut.”", False),
        ("The bridge is shut.", "The bridge is open.", False),
        ("The bridge is shut.", "The bridge is shut and the ferry too.", False),
    ],
)
def test_what_repeats_what_was_recalled(recalled: str, text: str, echo: bool) -> None:
    assert Recalled([recalled, "Something else."]).echoed_by(text) is echo
    assert not Recalled([]).echoed_by(text)


@given(TEXTS)
def test_every_text_echoes_itself(text: str) -> None:
    assert Recalled([text]).echoed_by(text)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import marks, terms


@pytest.mark.parametrize(
    ("text", "names", "body"),
    [
        ("Ann: hello", ["ann"], "hello"),
        ("bob42: hello", ["bob42"], "hello"),
        ("Ann Lee: at 9: tea", ["ann", "lee"], "at 9: tea"),
        ("Émile: salut", ["émile"], "salut"),
        ("I think so: yes", [], "I think so: yes"),
        ("https://example.org", [], "https://example.org"),
        ("Rested in the Garden", [], "Rested in the Garden"),
    ],
)
def test_who_said_what(text: str, names: list[str], body: str) -> None:
    assert marks.split(text) == (names, body)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann: Really?", {"by:", "by:ann", marks.ASKS}),
        ("I left yesterday.", {marks.TIME}),
        ("We have three dogs", {marks.NUMBER}),
        ("Born in 1990", {marks.TIME, marks.NUMBER}),
        ("Is it? It is.", set()),
        ("", set()),
    ],
)
def test_marks(text: str, found: set[str]) -> None:
    assert marks.marks(text) == found


@given(st.sampled_from(["", "Ann: ", "Ann Lee: ", "O'Brien:\n", "Émile’s: "]), st.text())
def test_words_that_are_known_change_no_mark(who: str, text: str) -> None:
    assert marks.marks(who + text, terms.words(who + text)) == marks.marks(who + text)

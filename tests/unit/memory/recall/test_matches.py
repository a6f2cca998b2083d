import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import matches


def found(text: str, question: str) -> list[str]:
    return [piece for piece, hit in matches.pieces(text, question) if hit]


@pytest.mark.parametrize(
    ("text", "question", "words"),
    [
        ("Ann painted a sunrise; painting calms her.", "What did Ann paint?", ["Ann", "painted", "painting"]),
        ("Ann’s dog and ANN's cat", "ann", ["Ann’s", "ANN's"]),
        ("the storm and what it took", "the storm", ["storm"]),
        ("What is that?", "what is that", ["What", "is", "that"]),
        ("In the cafe\u0301 at noon", "café", ["cafe\u0301"]),
        ("Ｆｕｌｌ moon", "full", ["Ｆｕｌｌ"]),
        ("<b>bold</b>", "b", ["b", "b"]),
        ("snow_storm", "storm", ["storm"]),
        ("nothing in common", "zebra", []),
        ("nothing is asked", "… !", []),
    ],
)
def test_words_of_the_question_are_found_by_their_stems(text: str, question: str, words: list[str]) -> None:
    assert found(text, question) == words


@given(st.text(), st.text())
def test_pieces_are_the_text_and_none_is_empty(text: str, question: str) -> None:
    pieces = matches.pieces(text, question)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)


@given(st.text(min_size=1))
def test_a_text_asked_for_is_found_in_itself(text: str) -> None:
    from memory.recall import terms

    if any(terms.words(text)):
        assert found(text, text)

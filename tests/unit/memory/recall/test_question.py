from datetime import UTC, datetime

import pytest

from memory.recall import marks, question

NOW = datetime(2024, 3, 13, tzinfo=UTC)


def test_a_question_about_a_person_and_a_month() -> None:
    asked = question.parse("What did Ann say about Ann's dog in May?", now=NOW)
    assert asked.words == ("ann", "say", "dog")
    assert [span.start.date().isoformat() for span in asked.spans] == ["2023-05-01"]


def test_where_there_is_only_grammar_it_is_what_is_asked() -> None:
    assert question.parse("Who are you?", now=NOW).words == ("who", "are", "you")
    assert question.parse("?", now=NOW).words == ()


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("When did Ann leave?", {marks.TIME}),
        ("Which year was it?", {marks.TIME}),
        ("How many dogs has she?", {marks.NUMBER}),
        ("How long did it take?", {marks.TIME, marks.NUMBER}),
        ("Was he sad when she left?", set()),
    ],
)
def test_what_would_answer(text: str, wants: set[str]) -> None:
    assert question.parse(text, now=NOW).wants == wants

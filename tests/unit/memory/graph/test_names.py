"""Names in texts: what the rules find, what they leave alone, and what holds for any text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.graph import names
from memory.graph.names import LONGEST_KEY, LONGEST_NAME, MOST_NAMES, NOT_NAMES, PERSON, PLACE, THING, Name


def sure(text: str, *known: str) -> list[str]:
    return [name.text for name in names.find(text, known) if name.sure]


def unsure(text: str) -> list[str]:
    return [name.text for name in names.find(text) if not name.sure]


def kinds(text: str) -> dict[str, str]:
    return {name.text: name.kind for name in names.find(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He met Ann near the mill.", ["Ann"]),
        ("Then Ann Smith and Bo left.", ["Ann Smith", "Bo"]),
        ("We saw the Golden Gate Bridge.", ["Golden Gate Bridge"]),
        ("It was at the Bank of England.", ["Bank of England"]),
        ("A picture by Vincent van Gogh hung there.", ["Vincent van Gogh"]),
        ("A letter to Ludwig van der Rohe came.", ["Ludwig van der Rohe"]),
        ("She rested in Zone 3 and in Zone 12.", ["Zone 3", "Zone 12"]),
        ("They ate Ann's bread and James' cheese.", ["Ann", "James"]),
        ("Ask Ann’s brother.", ["Ann"]),
        ("He knows O'Brien and Jean-Luc.", ["O'Brien", "Jean-Luc"]),
        ("Yes, Ann'll come, and Bo'd like to.", ["Ann", "Bo"]),
        ("She joined the LGBTQ group.", ["LGBTQ"]),
        ("Then Dr. Smith came.", ["Dr Smith"]),
        ("Mrs. Baker came.", ["Mrs Baker"]),
        ("Once Élodie met Åsa and Öykü.", ["Élodie", "Åsa", "Öykü"]),
    ],
)
def test_names_within_a_sentence(text: str, expected: list[str]) -> None:
    assert sure(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        "It was in March, on a Monday.",
        "On Friday I said that I'm glad. And I've been.",
        "In October or November, on Sunday.",
        "Don't! It's OK. We're here. That's it, isn't it?",
        "Wow! Thanks. Hey! Great, Congratulations.",
        "5 of 12, and 2024.",
        "he was SHOUTING EVERYTHING",
        "Dr. or Mrs. or St.",
        "A B C",
        "“Yes,” he said, “No.”",
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert sure(text) == []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Bread is good.", "Bread"),
        ("It rained. Bread was wet.", "Bread"),
        ("He asked: Bread or butter?", "Bread"),
        ("He wrote “Bread is good.”", "Bread"),
        ("One thing\nBread again", "Bread"),
        ("– Bread, please", "Bread"),
    ],
)
def test_what_begins_a_sentence_is_unsure(text: str, first: str) -> None:
    assert unsure(text) == [first]
    assert sure(text) == []


def test_a_word_that_is_a_name_elsewhere_in_the_text_is_sure() -> None:
    assert sure("Harbour was full. They like Harbour.") == ["Harbour"]


def test_a_verb_before_a_name_is_not_taken_into_it() -> None:
    assert sure("Saw Melanie yesterday.") == ["Melanie"]
    assert unsure("Saw Melanie yesterday.") == ["Saw Melanie"]
    assert sure("Hey Melanie!") == ["Melanie"]


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("Ann: hello", "Ann"),
        ("Ann Smith: hello", "Ann Smith"),
        ("  Bo: hello", "Bo"),
        ("they began\nCy: hello", "Cy"),
        ("Ann said: “hello”", "Ann"),
        ("Ann asked him", "Ann"),
        ("April: hello", "April"),
    ],
)
def test_who_speaks_is_a_person(text: str, speaker: str) -> None:
    assert Name(speaker, PERSON) in names.find(text)


@pytest.mark.parametrize(
    "text", ["Note: wet paint", "Answer: yes", "at 12:30", "ps: no", "Everybody said so", "She said so"]
)
def test_who_does_not_speak(text: str) -> None:
    assert [name for name in names.find(text) if name.kind == PERSON] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I read “Becoming Nicole” twice.", ["Becoming Nicole"]),
        ('I read "The Lord of the Rings" twice.', ["The Lord of the Rings"]),
        ("a boat called “Matilda” sank", ["Matilda"]),
        ("she said “Good night” and left", []),
        ("he said “I Was There. Hello!” and left", []),
    ],
)
def test_titles_in_quotes(text: str, expected: list[str]) -> None:
    assert sure(text) == expected


def test_kinds_are_hints_from_what_stands_beside() -> None:
    assert kinds("She met Mr Bell in Harbour with Bo.") == {"Mr Bell": PERSON, "Harbour": PLACE, "Bo": THING}
    assert kinds("He is in Ann's house.") == {"Ann": THING}
    assert kinds("They met Bo. Later Bo said yes.") == {"Bo": PERSON}


def test_months_that_are_names_count_for_who_knows_somebody_of_that_name() -> None:
    assert unsure("Yesterday he saw April again.") == ["April"]
    assert names.find("It happened in April.") == []
    assert names.find("Last June was hot.") == []


def test_a_common_word_that_is_known_to_be_a_name_is_one() -> None:
    assert sure("They met Spring there.") == []
    assert sure("They met Spring there.", "spring") == ["Spring"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The  Old\tMill", "old mill"),
        ("“Ann”", "ann"),
        ("ANN", "ann"),
        ("O’Brien", "o'brien"),
        ("Straße", "strasse"),
        ("ﬁn", "fin"),
        ("!!", ""),
        ("", ""),
        ("the", "the"),
        ("R&R", "r&r"),
    ],
)
def test_keys(text: str, key: str) -> None:
    assert names.key(text) == key


def test_beginnings() -> None:
    assert names.beginnings("ann mary smith") == ["ann", "ann mary"]
    assert names.beginnings("ann") == []


# --- Any text ------------------------------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_any_text_has_few_short_names_each_once(text: str) -> None:
    found = names.find(text)
    keys = [name.key for name in found]
    assert len(keys) == len(set(keys)) <= MOST_NAMES
    for name in found:
        assert 2 <= len(name.text) <= LONGEST_NAME
        assert name.key
        assert name.key not in NOT_NAMES
        assert name.kind in (PERSON, PLACE, THING)


@given(st.text(max_size=300))
def test_what_has_no_capitals_has_no_names(text: str) -> None:
    lower = "".join(letter for letter in text.lower() if not letter.isupper() and not letter.istitle())
    assert names.find(lower) == []


@given(st.text(max_size=100))
def test_a_key_is_its_own_key(text: str) -> None:
    once = names.key(text)
    assert len(once) <= LONGEST_KEY
    if not once.startswith("the ") and len(once) < LONGEST_KEY:
        assert names.key(once) == once
    assert names.key(f" {text} ") == once


words = st.text(string.ascii_lowercase, min_size=3, max_size=10).filter(
    lambda w: w not in NOT_NAMES | names.TITLES | names.ALSO_NAMES | names.LINKS | names.CALLED
)
capitals = words.map(str.capitalize)


@given(st.lists(words, min_size=1, max_size=6), st.lists(capitals, min_size=1, max_size=3), st.lists(words, max_size=6))
def test_a_run_of_capitals_in_the_midst_is_one_name(before: list[str], run: list[str], after: list[str]) -> None:
    text = " ".join([*before, *run, *after]) + "."
    assert sure(text) == [" ".join(run)]


@given(capitals, st.sampled_from([". ", "! ", "? ", ": ", "\n", " – "]))
def test_a_capital_after_an_end_is_unsure(word: str, end: str) -> None:
    assert unsure(f"it was so{end}{word} is so") == [word]
    assert sure(f"it was so{end}{word} is so") == []


@given(capitals, st.text(max_size=100))
def test_who_speaks_is_found_whatever_is_said(speaker: str, said: str) -> None:
    assert any(name.key == speaker.lower() and name.kind == PERSON for name in names.find(f"{speaker}: {said}"))


@given(st.sampled_from(sorted(NOT_NAMES)), st.lists(words, min_size=1, max_size=4))
def test_common_words_are_no_names_wherever_they_stand(word: str, others: list[str]) -> None:
    text = " ".join([*others, word.capitalize(), *others])
    assert names.find(text) == []

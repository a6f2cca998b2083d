import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.redaction import REDACTED, BadName, Words
from domains.redaction.words import MOST_NAMES, mask


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ann Lee", "Then ann LEE came by."),
        ("Ann Lee", "Ann\n  Lee’s house"),
        ("Ann Lee", "(Ann\u00a0Lee)"),
        ("O'Neil", "o’neil said so"),
        ("Zoë", "ZOE\u0308 waved"),
        ("Straße", "die STRASSE hinab"),
        ("Ann", "Ａｎｎ"),
        ("Ольга", "сказала ольга."),
        ("山田", "山田さんは来た"),
        ("민수", "민수가 왔다"),
        ("Ann Lee", "people.ann_lee.mood"),
        ("Ann-Lee", "ann lee"),
        ("user:ann", "told by user:ann."),
    ],
)
def test_a_name_is_found_as_people_write_it(name: str, text: str) -> None:
    assert Words([name]).found(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ann", "Annabel planned"),
        ("Ann Lee", "Ann, Lee and others"),
        ("Zoe", "Zoë"),
        ("राम", "रामायण"),
        ("Ann Lee", ""),
    ],
)
def test_what_only_looks_alike_is_left_alone(name: str, text: str) -> None:
    assert not Words([name]).found(text)


@pytest.mark.parametrize("name", ["", "x", "  ", "--", "a-", "a\0b", "\ud800x", "n" * 201])
def test_names_that_would_find_nothing_or_everything_are_refused(name: str) -> None:
    with pytest.raises(BadName):
        Words([name])


def test_names_have_a_limit_and_count_once() -> None:
    assert Words(["Ann", " Ann "]).names == ("Ann",)
    with pytest.raises(BadName, match="too many"):
        Words(f"Name {n}" for n in range(MOST_NAMES + 1))


def test_no_names_find_nothing() -> None:
    assert not Words([]) and not Words([]).found("anything")


def test_json_keeps_its_structure_and_numbers() -> None:
    value = {"agent_id": "01890000-0000-7000-8000-000000000000", "name": "Bo", "text": "Ann Lee hummed.", "seq": 4,
             "at": "2026-05-01T12:00:00+00:00", "list": [1, "Ann Lee", None, {"Ann Lee": 1.5}]}  # fmt: skip
    assert mask(value, Words(["ann lee"])) == {
        **value, "text": REDACTED, "list": [1, REDACTED, None, {REDACTED: 1.5}]
    }  # fmt: skip


def test_of_their_own_all_that_says_anything_goes() -> None:
    value = {"id": "01890000-0000-7000-8000-000000000000", "what": "edited", "text": "hello", "hash": "ab" * 16, "n": 1}
    masked = mask(value, Words(["Mara"]), own=True, kept=frozenset({"what"}))
    assert masked == {**value, "text": REDACTED}


def test_an_object_of_that_name_is_theirs() -> None:
    value = [{"name": "Mara", "description": "Tall."}, {"name": "Bo", "description": "Short."}]
    assert mask(value, Words(["mara"])) == [{"name": REDACTED, "description": REDACTED}, value[1]]


def test_keys_that_name_them_stay_apart() -> None:
    assert mask({"Ann": 1, "ann!": 2, "Bo": 3}, Words(["Ann"])) == {"[redacted]": 1, "[redacted] 2": 2, "Bo": 3}


def test_only_the_name_goes_from_a_text_that_is_needed() -> None:
    words = Words(["Ann Lee", "Ann"])
    assert words.without("Be kind to Ann Lee, and to ann.") == "Be kind to [redacted], and to [redacted]."
    assert words.without("Nobody here.") == "Nobody here."
    assert words.without("İ Ann") == REDACTED


PLAIN = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def texts(value: object) -> list[str]:
    """All strings and keys in it."""
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    return [value] if isinstance(value, str) else []


@given(JSON)
def test_what_is_masked_names_nobody_and_stays_so(value: object) -> None:
    words = Words(["0a", "aa"])
    masked = mask(value, words)
    assert not any(map(words.found, texts(masked)))
    assert mask(masked, words) == masked
    assert len(texts(masked)) == len(texts(value))

"""What comes from outside as a token and is none is told so before the database is asked."""

from typing import Any

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from domains.thundergate import tokens

SIGNED = tokens._signer().sign(f"{'0' * 32}-1764000000")

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refused(token: Any) -> None:
    """No test here may touch the database: whoever asks it fails."""
    with pytest.raises(tokens.TokenInvalid) as refusal:
        tokens.read(token)
    assert refusal.value.code == "token_invalid"


@given(st.text() | st.text(st.characters(exclude_categories=())))
def test_any_text(text: str) -> None:
    refused(text)


@given(json | st.binary())
def test_anything_that_is_no_text(value: Any) -> None:
    refused(value)


@given(json)
def test_json_that_was_signed_by_this_key(value: Any) -> None:
    refused(signing.dumps(value, salt=tokens.SALT))
    refused(signing.Signer(sep=".", salt=tokens.SALT).sign_object(value))


@given(st.text(max_size=80))
def test_other_content_under_a_good_signature(text: str) -> None:
    refused(tokens._signer().sign(text))


@pytest.mark.parametrize(
    "content",
    [
        "", "-", f"{'0' * 32}", f"{'0' * 31}-1764000000", f"{'G' * 32}-1764000000", f"{'0' * 32}-{'9' * 12}",
        f"{'0' * 32}--1", f"{'0' * 32}-1764000000\n", f"{'A' * 32}-1764000000", f"{'0' * 32}-1764000000.x",
    ],
)  # fmt: skip
def test_content_that_is_nearly_right(content: str) -> None:
    refused(tokens._signer().sign(content))


@given(st.integers(0, len(SIGNED) - 1), st.characters(max_codepoint=126, min_codepoint=33))
def test_one_letter_changed(at: int, letter: str) -> None:
    changed = SIGNED[:at] + letter + SIGNED[at + 1 :]
    if changed != SIGNED:
        refused(changed)


@pytest.mark.parametrize(
    "token",
    [
        "\0", SIGNED + "\0", "\0" + SIGNED, SIGNED + " ", "x" * 10_000_000, "é", "\ud800", ".", "." * 100, SIGNED * 2,
        signing.Signer(sep=".", salt="another").sign(f"{'0' * 32}-1764000000"),
        signing.Signer(sep=".", salt=tokens.SALT, key="another").sign(f"{'0' * 32}-1764000000"),
        signing.dumps([1], salt="another"),
        None, b"x", 7, [SIGNED], {"token": SIGNED},
    ],
    ids=lambda token: type(token).__name__,  # signatures are other ones in each process
)  # fmt: skip
def test_hostile_ones(token: Any) -> None:
    refused(token)


def test_what_was_signed_here_is_opened() -> None:
    assert tokens.id_of(SIGNED).int == 0

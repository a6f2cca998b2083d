"""The mark of a statement: who, from where; nothing in it can end the comment; and whose address is believed."""

import base64
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.origin import Origin, client_address, mark, marked, marking

ONE = UUID(int=1)


def read(text: str) -> dict[str, str]:
    assert text.startswith("/*audit:") and text.endswith("*/ ")
    said: dict[str, str] = json.loads(base64.b64decode(text[8:-3]))
    return said


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_stays_within_the_comment(actor: str, address: str, request: str) -> None:
    text = mark(Origin("page", address, ONE, request=request), actor=actor, correlation_id=ONE)
    assert text.count("*/") == 1 and "%" not in text
    assert read(text)["user_id"] == str(ONE)


def test_lone_surrogates_and_nul_are_replaced() -> None:
    text = mark(Origin("page", request="GET /\udcff\0"), actor="user:ann", correlation_id=None)
    assert read(text) == {"actor": "user:ann", "door": "page", "request": "GET /??"}


def test_nobody_is_not_marked() -> None:
    assert mark(None, actor="engine", correlation_id=ONE) == ""


@pytest.mark.parametrize(
    ("query", "writes"),
    [
        ("UPDATE worlds SET name = 'x'", True),
        ("\n insert INTO worlds VALUES (1)", True),
        ("DELETE FROM worlds", True),
        ("COPY worlds FROM STDIN", True),
        ("WITH a AS (SELECT 1) UPDATE worlds SET name = 'x'", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("SELECT * FROM worlds FOR UPDATE", False),
        ("SAVEPOINT x", False),
    ],
)
def test_only_what_writes_is_marked(query: str, writes: bool) -> None:
    with marking("/*audit:e30=*/ "):
        assert marked(query) == (f"/*audit:e30=*/ {query}" if writes else query)
    assert marked(query) is query


def test_an_origin_goes_to_another_process_and_back() -> None:
    here = Origin("rest", "10.0.0.1", ONE, "key-7", "POST /api/v1/worlds")
    assert Origin.of(here.plain()) == here


@pytest.mark.parametrize("plain", [{}, {"door": "window"}, {**Origin("page").plain(), "door": "window"},
                                   {**Origin("page").plain(), "user_id": "me"}])  # fmt: skip
def test_what_is_no_origin_is_none(plain: dict[str, str]) -> None:
    assert Origin.of(plain) is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "found"),
    [
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6", 0, "10.0.0.1"),  # nobody is believed
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),  # what the client invented is to the left
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", 2, "1.2.3.4"),
        ("10.0.0.1", "", 1, "10.0.0.1"),
        ("10.0.0.1", "no address", 1, ""),
        ("::1", "", 0, "::1"),
        ("", "", 0, ""),
    ],
)
def test_the_address_of_who_asks(peer: str, forwarded: str, proxies: int, found: str) -> None:
    assert client_address(peer, forwarded, proxies) == found

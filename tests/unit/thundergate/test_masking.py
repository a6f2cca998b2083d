"""Nothing that lets somebody in is written to a log."""

import io
import logging

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from domains.thundergate.masking import HIDDEN, MaskSecrets, mask

SECRET = "Zk3-0aQ_9sXw7Lr2Tt5Yv8Bn1Mc4Gd6Hf-JpKqWeRu"
KEY = f"tlk_abcdefghij_{SECRET}"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl"
TOKEN = f"{'0' * 32}-1795766013.{SECRET}"


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (f"a client showed {KEY} here", SECRET),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"{{'authorization': 'Bearer {SECRET}'}}", SECRET),
        (f"(b'authorization', b'Bearer {SECRET}')", SECRET),
        ("Authorization: Basic YWRhOmh1bnRlcjI=", "YWRhOmh1bnRlcjI="),
        (f"proxy-authorization={SECRET}", SECRET),
        (f"GET /socket/websocket?vsn=2.0.0&token={TOKEN} HTTP/1.1", SECRET),
        (f"GET /socket/websocket?token={KEY}", SECRET),
        (f"token {TOKEN}", SECRET),
        (f"got {JWT} and went on", JWT),
        ('{"password": "correct horse"}', "correct"),
        ("password=hunter2hunter2&next=/", "hunter2"),
        ("api_key='abcdef0123456789'", "abcdef"),
        ("sk-abcdefghijklmnop0123 was refused", "sk-abcdef"),
        ("could not reach postgresql://ada:hunter2hunter2@db:5432/x", "hunter2"),
        ("Cookie: sessionid=abcdef0123456789", "abcdef"),
    ],
)
def test_it_is_hidden(said: str, hidden: str) -> None:
    assert hidden in said
    assert hidden not in mask(said)
    assert HIDDEN in mask(said)


@pytest.mark.parametrize(
    "said",
    ["token_expired: the token has expired", "GET /agents/?q=token HTTP/1.1", "tlk_abcdefghij is revoked", "",
     "postgresql://db:5432/x", "the bearer of news", "zone:0197a6b2-0000-7000-8000-000000000001"],
)  # fmt: skip
def test_the_rest_stays(said: str) -> None:
    assert mask(said) == said


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_key_is_hidden_whatever_stands_around_it(before: str, after: str) -> None:
    assert SECRET not in mask(f"{before} {KEY} {after}")


@pytest.fixture
def told() -> io.StringIO:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(MaskSecrets())
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log = logging.getLogger("tests.masking")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.DEBUG)
    return out


def test_arguments_and_tracebacks_are_masked_too(told: io.StringIO) -> None:
    log = logging.getLogger("tests.masking")
    log.info("somebody came with %s", KEY)
    try:
        raise ValueError(f"cannot use {KEY}")
    except ValueError:
        log.exception("it failed")
    log.info("two %s of %s", "only one")
    assert SECRET not in told.getvalue()
    assert "tlk_abcdefghij_••••" in told.getvalue()
    assert "ValueError" in told.getvalue() and "two %s of %s" in told.getvalue()


def test_every_handler_of_ours_masks() -> None:
    handlers = settings.LOGGING["handlers"].values()
    assert handlers and all("secrets" in handler["filters"] for handler in handlers)

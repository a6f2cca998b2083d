"""Calling a model that may be as bad as it likes, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from agents.minds import client
from agents.minds.client import (
    DEPENDENCY,
    MAX_BYTES,
    MAX_REST_S,
    PERMANENT,
    RETRIED,
    SECURITY,
    TIMEOUT,
    TRANSIENT,
    VALIDATION,
    Address,
    CallFailed,
    Client,
    Reply,
)
from tests import model_server as models
from tests.model_server import Behaviour, ModelServer, completion, model_server, saying, sending, status

KEY = "sk-very-secret-0123456789"
REQUEST = {"model": "m", "messages": [{"role": "user", "content": "What now?"}]}
SOON_S = 0.2
"""A time limit that a test waits for."""
PATIENT_S = 60.0
"""One that is never reached."""


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@asynccontextmanager
async def calling(base_url: str, key: str = KEY, connections: int = 10) -> AsyncIterator[Client]:
    caller = Client(Address(base_url, key), connections=connections)
    try:
        yield caller
    finally:
        await caller.close()


async def ask(model: ModelServer, *behaviours: Behaviour, timeout_s: float = PATIENT_S) -> Reply:
    model.then(*behaviours)
    async with calling(model.base_url) as caller:
        return await caller.ask(REQUEST, timeout_s=timeout_s)


async def failure(model: ModelServer, *behaviours: Behaviour, timeout_s: float = PATIENT_S) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await ask(model, *behaviours, timeout_s=timeout_s)
    assert KEY not in str(caught.value)
    assert len(str(caught.value)) <= 500
    assert "\0" not in str(caught.value)
    return caught.value


async def test_what_the_model_says_comes_back_with_what_it_counted(model: ModelServer) -> None:
    reply = await ask(model, saying("I rest.", usage={"prompt_tokens": 12, "completion_tokens": 3}))
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("I rest.", 12, 3)
    assert reply.finish_reason == "stop"
    assert reply.ms > 0


async def test_the_question_goes_out_as_it_was_written(model: ModelServer) -> None:
    await ask(model)
    (asked,) = model.asked
    assert asked.body == REQUEST
    assert asked.path == "/v1/chat/completions"


async def test_a_cut_off_answer_is_one_still(model: ModelServer) -> None:
    reply = await ask(model, saying('{"action": "re', finish_reason="length"))
    assert (reply.text, reply.finish_reason) == ('{"action": "re', "length")


async def test_an_answer_may_come_byte_by_byte(model: ModelServer) -> None:
    assert (await ask(model, models.one_by_one(completion("I rest.")))).text == "I rest."


@pytest.mark.parametrize(
    "usage",
    [
        {},
        [],
        0,
        {"prompt_tokens": None},
        {"prompt_tokens": -5, "completion_tokens": 1 << 40},
        {"prompt_tokens": "12", "completion_tokens": 1.5},
        {"prompt_tokens": {}, "completion_tokens": True},
    ],
)
async def test_counts_that_are_none_are_not_taken(model: ModelServer, usage: object) -> None:
    reply = await ask(model, saying("I rest.", usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


async def test_a_count_without_an_end_is_not_taken(model: ModelServer) -> None:
    body = completion("I rest.").replace(b"600", b"9" * 300)
    assert (await ask(model, sending(body))).prompt_tokens is None


# --- errors, by class ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [408, 409, 425, 500, 502, 503, 504, 529])
async def test_what_may_go_better_is_transient(model: ModelServer, code: int) -> None:
    error = await failure(model, status(code, "busy"))
    assert error.error_class == TRANSIENT in RETRIED
    assert f"{code}: busy" in str(error)
    assert error.rest_s == 0


@pytest.mark.parametrize("code", [400, 402, 404, 405, 413, 422, 451])
async def test_what_will_not_go_better_is_permanent(model: ModelServer, code: int) -> None:
    error = await failure(model, status(code, "no such model"))
    assert error.error_class == PERMANENT not in RETRIED
    assert f"{code}: no such model" in str(error)


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refused_key_is_not_tried_on(model: ModelServer, code: int) -> None:
    error = await failure(model, status(code, "bad key"))
    assert error.error_class == SECURITY not in RETRIED
    assert error.rest_s > 0


@pytest.mark.parametrize(
    ("retry_after", "rest_s"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("100000", MAX_REST_S),
        ("inf", MAX_REST_S),
        ("-4", 0.0),
        ("nan", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 0.0),
        (None, 0.0),
    ],
)
async def test_who_asks_too_often_waits_as_long_as_is_asked_within_bounds(
    model: ModelServer, retry_after: str | None, rest_s: float
) -> None:
    error = await failure(model, status(429, "slow down", retry_after=retry_after))
    assert error.error_class == TRANSIENT
    assert error.rest_s == rest_s


async def test_an_overloaded_endpoint_is_heeded_too(model: ModelServer) -> None:
    assert (await failure(model, status(503, retry_after="7"))).rest_s == 7


async def test_an_empty_purse_is_permanent(model: ModelServer) -> None:
    """OpenAI says 429 to it, but waiting does not fill it."""
    body = {"error": {"message": "You exceeded your current quota", "type": "x", "code": "insufficient_quota"}}
    error = await failure(model, sending(json.dumps(body).encode(), status=429))
    assert error.error_class == PERMANENT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"null",
        b"[]",
        b'"no"',
        b'{"error": null}',
        b'{"error": "plain words"}',
        b'{"error": {"message": {"deep": [1]}}}',
        b'{"error": {"message": "a\\u0000b"}}',
        b'{"error": {"message": "' + b"x" * 100_000 + b'"}}',
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b'{"error": {"message": "\\ud800"}}',
    ],
)
async def test_a_refusal_may_say_anything(model: ModelServer, body: bytes) -> None:
    error = await failure(model, sending(body, status=500))
    assert error.error_class == TRANSIENT
    str(error).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"I rest.",
        b'{"choices": [{"message": {"content": "I re',
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [null]}',
        b'{"choices": [7]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": [{"message": []}]}',
        b'{"choices": [{"message": "I rest."}]}',
        b'{"error": {"message": "with a 200"}}',
        b'{"choices": NaN}',
        b'{"choices": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\xff\xfe\x00",
        completion("\ud800"),
        completion(None),
        completion(""),
        completion(" \n "),
        completion(7),
        completion(["I rest."]),
        completion({"action": "rest"}),
        completion(None, refusal="I will not."),
        completion(None, refusal={"a": 1}),
        completion(None, tool_calls=[{"function": {"name": "shell"}}]),
        completion(None, finish_reason="content_filter"),
        completion(None, finish_reason=["x"]),
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
async def test_what_is_no_answer_is_invalid(model: ModelServer, body: bytes) -> None:
    error = await failure(model, sending(body))
    assert error.error_class == VALIDATION not in RETRIED


async def test_a_refusal_is_quoted(model: ModelServer) -> None:
    assert "I will not." in str(await failure(model, saying(None, refusal="I will not.")))


async def test_it_does_not_matter_what_the_answer_calls_itself(model: ModelServer) -> None:
    reply = await ask(model, sending(completion("I rest."), content_type="text/html"))
    assert reply.text == "I rest."


async def test_nobody_listening_is_a_dependency() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with calling(f"http://127.0.0.1:{port}/v1") as caller:
        with pytest.raises(CallFailed) as caught:
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert caught.value.error_class == DEPENDENCY in RETRIED
    assert "cannot connect" in str(caught.value)


async def test_a_host_that_is_not_there_is_a_dependency() -> None:
    async with calling("http://nowhere.invalid/v1") as caller:
        with pytest.raises(CallFailed) as caught:
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert caught.value.error_class == DEPENDENCY


async def test_one_that_speaks_no_http_is_transient() -> None:
    """Such as a database at the port that was given."""

    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01\x02 who are you?\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    try:
        async with calling(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as caller:
            with pytest.raises(CallFailed) as caught:
                await caller.ask(REQUEST, timeout_s=PATIENT_S)
        assert caught.value.error_class == TRANSIENT
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("base_url", ["ftp://127.0.0.1/v1", "nonsense", "http://", "http://[::1"])
async def test_an_address_that_is_none_fails_as_a_call(base_url: str) -> None:
    with pytest.raises(CallFailed) as caught:
        async with calling(base_url) as caller:
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert caught.value.error_class == PERMANENT


@pytest.mark.parametrize("behaviour", [models.reset, models.reset_midway], ids=["at once", "midway"])
async def test_a_broken_connection_is_transient(model: ModelServer, behaviour: Behaviour) -> None:
    error = await failure(model, behaviour)
    assert error.error_class == TRANSIENT
    assert len(model.asked) == 1, "the caller decides about another try"


@pytest.mark.parametrize("behaviour", [models.hang, models.hang_midway], ids=["at once", "midway"])
async def test_an_answer_that_does_not_come_is_given_up(model: ModelServer, behaviour: Behaviour) -> None:
    error = await failure(model, behaviour, timeout_s=SOON_S)
    assert error.error_class == TIMEOUT in RETRIED
    assert "0.2 s" in str(error)
    assert model.aborted.acquire(timeout=10), "the connection should be closed"


# --- bounds and secrets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [models.endless(), models.endless(500), models.long(), models.long(code=500), models.compressed()],
    ids=["endless", "an endless error", "long", "a long error", "a gzip bomb"],
)
async def test_an_answer_that_is_too_long_is_not_read(
    model: ModelServer, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    read = client._Bounded.__aiter__

    async def counting(self: client._Bounded) -> AsyncIterator[bytes]:
        nonlocal seen
        async for chunk in read(self):
            seen += len(chunk)
            yield chunk

    monkeypatch.setattr(client._Bounded, "__aiter__", counting)
    error = await failure(model, behaviour)
    assert error.error_class in (TRANSIENT, VALIDATION)
    assert seen <= MAX_BYTES


async def test_the_longest_answer_that_fits_is_read(model: ModelServer) -> None:
    room = MAX_BYTES - len(completion(""))
    assert len((await ask(model, saying("x" * room))).text) == room
    assert (await failure(model, saying("x" * (room + 1)))).error_class == TRANSIENT


async def test_nothing_compressed_is_asked_for(model: ModelServer) -> None:
    await ask(model)
    assert model.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_nobody_is_sent_elsewhere(model: ModelServer, code: int) -> None:
    """A key that follows a redirect is given away."""
    with model_server() as thief:
        error = await failure(model, models.redirecting(f"{thief.base_url}/chat/completions", code))
        assert error.error_class == PERMANENT
        assert str(code) in str(error)
        assert thief.asked == []


async def test_the_key_is_in_one_header_only(model: ModelServer) -> None:
    await ask(model)
    (asked,) = model.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    others = {name: value for name, value in asked.headers.items() if name != "authorization"}
    assert KEY not in f"{others} {asked.path} {asked.body} {asked.request.raw_path}"


async def test_without_a_key_nothing_of_the_environment_is_taken(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator's shell has for OpenAI is not for every endpoint of this installation."""
    with model_server() as other:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-shell")
        monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-of-the-shell")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-shell")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-shell")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Token: token-of-the-shell")
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        async with calling(model.base_url, key="") as caller:
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
        assert other.asked == []
    assert "of-the-shell" not in str(model.asked[0].headers)


async def test_two_endpoints_keep_their_keys_apart(model: ModelServer) -> None:
    with model_server() as other:
        async with calling(model.base_url, "sk-one") as one, calling(other.base_url, "sk-two") as two:
            await asyncio.gather(*(c.ask(REQUEST, timeout_s=PATIENT_S) for c in (one, two) for _ in range(5)))
        assert {asked.headers["authorization"] for asked in model.asked} == {"Bearer sk-one"}
        assert {asked.headers["authorization"] for asked in other.asked} == {"Bearer sk-two"}


def test_an_address_does_not_show_its_key() -> None:
    address = Address("http://127.0.0.1/v1", KEY)
    assert KEY not in f"{address} {address!r}"
    assert address != Address("http://127.0.0.1/v1", "another"), "another key is another client"


@pytest.mark.parametrize("key", ["sk-\n-secret", "sk-ключ-secret", "sk-\0-secret", "sk-\r\nX-Other: secret"])
async def test_a_key_that_fits_no_header_is_not_told(model: ModelServer, key: str) -> None:
    async with calling(model.base_url, key) as caller:
        with pytest.raises(CallFailed) as caught:
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert caught.value.error_class == PERMANENT
    assert "secret" not in str(caught.value)
    assert model.asked == []


async def test_nothing_is_told_of_this_machine(model: ModelServer) -> None:
    await ask(model)
    assert model.asked[0].headers.keys() <= client._SENT


async def test_what_cannot_be_stored_is_left_out(model: ModelServer) -> None:
    reply = await ask(model, saying("a\0b", finish_reason="st\0op"))
    assert (reply.text, reply.finish_reason) == ("ab", "stop")


# --- connections -----------------------------------------------------------------------------------------------------


async def test_connections_are_used_again(model: ModelServer) -> None:
    async with calling(model.base_url) as caller:
        for _ in range(10):
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert len(model.asked) == 10
    assert model.connections == 1


async def test_a_connection_is_used_again_after_a_refusal(model: ModelServer) -> None:
    model.then(status(500), status(429))
    async with calling(model.base_url) as caller:
        for _ in range(2):
            with pytest.raises(CallFailed):
                await caller.ask(REQUEST, timeout_s=PATIENT_S)
        await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert model.connections == 1


async def test_many_calls_share_a_client(model: ModelServer) -> None:
    """Each gets its own answer, and no more connections are opened than may be."""

    async def echo(asked: models.Asked) -> models.web.StreamResponse:
        return await saying(asked.prompt())(asked)

    model.behaviour = models.delayed(0.001, echo)
    async with calling(model.base_url, connections=8) as caller:
        replies = await asyncio.gather(
            *(
                caller.ask({"messages": [{"role": "user", "content": f"number {n}"}]}, timeout_s=PATIENT_S)
                for n in range(200)
            )
        )
    assert [reply.text for reply in replies] == [f"number {n}" for n in range(200)]
    assert model.connections <= 8


async def test_good_and_bad_answers_do_not_mix(model: ModelServer) -> None:
    kinds = [models.good, models.reset_midway, status(500), saying(None), models.long(), models.redirecting("http://x")]
    model.then(*kinds * 5)
    async with calling(model.base_url, connections=4) as caller:
        results = await asyncio.gather(
            *(caller.ask(REQUEST, timeout_s=PATIENT_S) for _ in range(30)), return_exceptions=True
        )
    assert sum(isinstance(result, Reply) for result in results) == 5
    assert sum(isinstance(result, CallFailed) for result in results) == 25


async def test_a_call_that_is_cancelled_closes_its_connection(model: ModelServer) -> None:
    model.then(models.hang)
    async with calling(model.base_url) as caller:
        call = asyncio.create_task(caller.ask(REQUEST, timeout_s=PATIENT_S))
        async with asyncio.timeout(30):
            while not model.asked:  # noqa: ASYNC110  the server is another thread
                await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(model.aborted.acquire, timeout=10)
        assert (await caller.ask(REQUEST, timeout_s=PATIENT_S)).text, "the client lives on"


async def test_waiting_for_a_connection_counts_too(model: ModelServer) -> None:
    let_go = threading.Event()
    model.then(models.held(let_go))
    async with calling(model.base_url, connections=1) as caller:
        first = asyncio.create_task(caller.ask(REQUEST, timeout_s=PATIENT_S))
        async with asyncio.timeout(30):
            while not model.asked:  # noqa: ASYNC110  the server is another thread
                await asyncio.sleep(0.005)
        with pytest.raises(CallFailed) as caught:
            await caller.ask(REQUEST, timeout_s=SOON_S)
        assert caught.value.error_class == TIMEOUT
        let_go.set()
        assert (await first).text
    assert len(model.asked) == 1


async def test_an_endpoint_that_closes_connections_is_called_again(model: ModelServer) -> None:
    """A server may close a connection that nobody uses; the next call opens another."""

    async def and_close(asked: models.Asked) -> models.web.StreamResponse:
        response = await models.good(asked)
        response.force_close()
        return response

    model.behaviour = and_close
    async with calling(model.base_url) as caller:
        for _ in range(5):
            await caller.ask(REQUEST, timeout_s=PATIENT_S)
    assert model.connections == 5

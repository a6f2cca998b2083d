"""Talking to outside servers, good and bad ones: what comes of it, and what never does."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from mcp_server.outside import client
from mcp_server.outside.client import KEY, Failed, Given, Target
from tests.outside_server import (
    NOTHING,
    OutsideServer,
    answering,
    echo,
    endless,
    failing,
    giving,
    hanging,
    outside_server,
    slow,
)


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTSIDE_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    with outside_server() as made:
        made.has("echo", echo)
        yield made


def call(server: OutsideServer | str, name: str = "echo", *, timeout_s: float = 10, **arguments: Any) -> Given:
    url = server if isinstance(server, str) else server.url
    arguments = arguments or {"text": "hello"}
    return asyncio.run(client.call(Target(url, "t0ken", timeout_s), name, arguments, key="k1"))


def refused(server: OutsideServer | str, name: str = "echo", *, timeout_s: float = 10, **arguments: Any) -> Failed:
    with pytest.raises(Failed) as raised:
        call(server, name, timeout_s=timeout_s, **arguments)
    assert "t0ken" not in f"{raised.value!r} {raised.value}"
    return raised.value


def test_a_call_with_its_token_and_key(server: OutsideServer) -> None:
    given = call(server, text="grüße")
    assert (given.text, given.data, given.structured) == ('{"text":"grüße"}', {"text": "grüße"}, True)
    (called,) = server.called
    assert (called.name, called.arguments, called.token) == ("echo", {"text": "grüße"}, "Bearer t0ken")
    assert called.meta[KEY] == "k1"


def test_words_alone(server: OutsideServer) -> None:
    server.has("words", giving(None, "just words"))
    given = call(server, "words")
    assert (given.text, given.data, given.structured) == ("just words", None, False)


def test_all_tools_are_listed(server: OutsideServer) -> None:
    server.has("look", echo, takes=NOTHING, gives=NOTHING, description="Looks.", read_only=True)
    found = asyncio.run(client.tools(Target(server.url, "", 10)))
    assert [(one.name, one.description, one.read_only, one.output) for one in found] == [
        ("echo", "A tool.", False, None), ("look", "Looks.", True, NOTHING),
    ]  # fmt: skip


def test_more_tools_than_are_looked_at(server: OutsideServer) -> None:
    for number in range(client.MOST_TOOLS):
        server.has(f"t{number}", echo)
    with pytest.raises(Failed, match="more than 200 tools") as raised:
        asyncio.run(client.tools(Target(server.url, "", 10)))
    assert raised.value.code == client.TOO_LONG


def test_a_tool_that_fails_is_no_fault_of_its_server(server: OutsideServer) -> None:
    server.has("fails", failing("the well is dry"))
    failure = refused(server, "fails")
    assert (failure.code, str(failure), failure.fault) == (client.TOOL_ERROR, "the well is dry", False)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (answering(500, b"oops"), client.SERVER_ERROR),
        (answering(503), client.SERVER_ERROR),
        (answering(401), client.UNAUTHORIZED),
        (answering(404, b"no such page"), client.NONSENSE),
        (answering(200, b"{", (b"content-type", b"application/json")), client.NONSENSE),
        (answering(200, b'{"jsonrpc": "2.0"}', (b"content-type", b"application/json")), client.NONSENSE),
        (answering(200, b"<p>Welcome</p>", (b"content-type", b"text/html")), client.NONSENSE),
        (
            answering(200, gzip.compress(b" " * 10_000_000), (b"content-type", b"application/json"),
                      (b"content-encoding", b"gzip")),
            client.NONSENSE,
        ),
        (endless(), client.TOO_LONG),
        (endless(b"text/event-stream"), client.TOO_LONG),
    ],
)  # fmt: skip
def test_servers_that_do_wrong(server: OutsideServer, wrong: Any, code: str) -> None:
    server.wrong = wrong
    failure = refused(server)
    assert (failure.code, failure.fault) == (code, True), failure
    assert server.called == []
    server.wrong = None
    assert call(server).data == {"text": "hello"}


def test_redirects_lead_nowhere_else(server: OutsideServer) -> None:
    with outside_server() as other:
        server.wrong = answering(307, b"", (b"location", other.url.encode()))
        refused(server)
        assert other.paths == []


def test_a_server_that_hangs(server: OutsideServer) -> None:
    server.wrong = hanging
    began = time.monotonic()
    assert refused(server, timeout_s=0.5).code == client.TIMEOUT
    assert time.monotonic() - began < 8


def test_a_tool_that_takes_too_long(server: OutsideServer) -> None:
    server.has("slow", slow(30))
    assert refused(server, "slow", timeout_s=1).code == client.TIMEOUT


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/mcp").code == client.UNREACHABLE
    assert refused("http://name.invalid/mcp").code == client.UNREACHABLE


def test_results_are_bounded(server: OutsideServer) -> None:
    server.has("huge", giving({"text": "x" * 70_000}))
    assert refused(server, "huge").code == client.TOO_LONG
    server.has("vast", giving({"text": "x" * 3_000_000}))
    assert refused(server, "vast").code == client.TOO_LONG


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_addresses_that_are_not_allowed_are_not_connected_to(server: OutsideServer, settings: Any, host: str) -> None:
    settings.OUTSIDE_NETWORKS = []
    failure = refused(server.url.replace("127.0.0.1", host))
    assert (failure.code, server.paths) == (client.FORBIDDEN, [])
    assert "THUNDERLINE_OUTSIDE_NETWORKS" in str(failure)

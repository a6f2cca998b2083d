"""Who is let in, what is told to who is not, and what open streams come to when a token ends. Every transport."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from agents import actions
from agents.models import Agent
from domains.thunderflow import queries as log
from domains.thundergate import authentication, jwts, keys, tokens
from domains.thundergate.audit import queries as audit
from tests.factories import wake_domains
from tests.mcp.clients import TRANSPORTS, apart, call, refusal, session
from tests.socket.server import StartServer, WebServer
from tests.unchanged import state, unchanged

pytestmark = pytest.mark.django_db(transaction=True)
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"},
    },
}  # fmt: skip


def post(server: WebServer, body: Any = HELLO, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{server.origin}/mcp", content=content, headers=HEADERS | headers, timeout=30)


def test_the_door_over_http(server: WebServer, owner: Any, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    assert post(server, **bearer).status_code == 200
    nobody = post(server)
    assert nobody.status_code == 401
    challenge = nobody.headers["www-authenticate"]
    assert f'resource_metadata="{server.origin}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="tools:call"' in challenge
    assert "error=" not in challenge  # nothing was shown, so nothing is wrong with it
    metadata = httpx2.get(f"{server.origin}/.well-known/oauth-protected-resource/mcp").json()
    assert metadata["resource"] == f"{server.origin}/mcp"
    assert {"tools:call", "agents:act"} <= set(metadata["scopes_supported"])
    _check_bad_credentials(server, owner)
    assert post(server, host="evil.example", **bearer).status_code == 421
    assert post(server, origin="https://evil.example", **bearer).status_code == 403
    assert post(server, origin=server.origin, **bearer).status_code == 200
    assert post(server, b"x" * 1_100_000, **bearer).status_code == 413
    for nonsense in (b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"method": "tools/call", "params": 7}'):
        assert 400 <= post(server, nonsense, **bearer).status_code < 500


def _check_bad_credentials(server: WebServer, owner: Any) -> None:
    revoked = tokens.issue(owner, by="tests")
    tokens.revoke([tokens.id_of(revoked)], by="tests", reason="a test")
    short = tokens.issue(owner, ttl_s=0.2, by="tests")
    time.sleep(0.3)
    forged = tokens.issue(owner, by="tests")[:-3] + "abc"
    for credential, word in ((revoked, "revoked"), (short, "expired"), (forged, "signed"), ("a" * 5000, "token")):
        found = post(server, authorization=f"Bearer {credential}")
        assert found.status_code == 401
        assert 'error="invalid_token"' in found.headers["www-authenticate"]
        assert word in found.json()["error_description"]
    for header in ("Basic b3duZXI6cGFzcw==", "Bearer", "bearer x y"):
        assert post(server, authorization=header).status_code == 401
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    good = post(server, authorization=f"Bearer {forged}")
    assert good.status_code == 401
    owner.is_active = True
    owner.save(update_fields=["is_active"])


def test_a_key_for_one_agent_is_for_that_one(server: WebServer, world: Any, member: Any) -> None:
    agent = next(a for a in _agents(world) if a.name == "Agent 1")
    _open(world)
    asyncio.run(_one_agent(server, tokens.issue(member, agent_id=agent.pk, by="tests"), agent))


def _agents(world: Any) -> Any:
    from agents.models import Agent

    return Agent.objects.filter(world=world)


def _open(world: Any) -> None:
    world.access = "open"
    world.save(update_fields=["access"])


async def _one_agent(server: WebServer, token: str, agent: Any) -> None:
    async with session("http", server, token) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "agent_enter" in names
        assert not names & {"pac_create_agent", "world_pause", "zone_create"}
        assert (await call(client, "agent_enter", agent="Agent 1"))["agent_id"] == str(agent.pk)
        code, words = await refusal(client, "agent_enter", agent="Agent 0")
        assert (code, "another agent" in words) == ("access_denied", True)
        code, _ = await refusal(client, "memory_search", agent="Agent 0", text="secrets")
        assert code == "access_denied"
        await call(client, "memory_search", agent="Agent 1", text="anything")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "world_pause", "arguments": {}}}
    refused = await asyncio.to_thread(post, server, body, authorization=f"Bearer {token}")
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="worlds:write"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_what_is_not_theirs_is_not_there(transport: str, server: WebServer, world: Any, member: Any) -> None:
    asyncio.run(_stranger(transport, server, tokens.issue(member, by="tests"), world))


async def _stranger(transport: str, server: WebServer, token: str, world: Any) -> None:
    async with session(transport, server, token) as client:
        assert (await call(client, "world_list"))["worlds"] == []
        for tool, arguments, code in (
            ("zone_list", {"world": "Harbour"}, "world_not_found"),
            ("observe_environment", {"zone": "Zone 0"}, "zone_not_found"),
            ("pac_get_agent", {"agent": "Agent 0"}, "agent_not_found"),
            ("agent_enter", {"agent": "Agent 0"}, "agent_not_found"),
            ("world_pause", {"world": str(world.pk)}, "world_not_found"),
            ("pac_create_agent", {"zone": "Zone 0", "name": "Me"}, "zone_not_found"),
        ):
            assert (await refusal(client, tool, **arguments))[0] == code
        with pytest.raises(Exception, match="no zone"):
            await client.read_resource("thunderline://zones/Zone%200")
        await apart(_open, world)
        assert (await call(client, "world_list"))["worlds"][0]["yours_to_steer"] is False
        for tool, arguments in (
            ("world_pause", {"world": "Harbour"}),
            ("world_step", {"world": "Harbour"}),
            ("zone_create", {"world": "Harbour", "name": "Mine"}),
            ("agent_enter", {"agent": "Agent 0"}),
            ("memory_search", {"agent": "Agent 0", "text": "secrets"}),
            ("memory_store", {"agent": "Agent 0", "content": "planted"}),
            ("pac_update_agent", {"agent": "Agent 0", "description": "mine"}),
            ("world_inject_event", {"zone": "Zone 0", "event": "storm"}),
        ):
            assert (await refusal(client, tool, **arguments))[0] == "access_denied", tool
        shown = await call(client, "pac_get_agent", agent="Agent 0")
        assert shown["memories"] is None


def test_a_websocket_asks_for_a_key(server: WebServer, token: str) -> None:
    asyncio.run(_websockets(server, token))


async def _websockets(server: WebServer, token: str) -> None:
    address = f"ws://{server.host}/mcp/ws"
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {token}", "Origin": "http://e.x"},
    ):
        with pytest.raises(InvalidStatus, match="403"):
            await connect(address, additional_headers=headers)
    async with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.send("no json")
        await socket.send(json.dumps(HELLO))
        while json.loads(await socket.recv()).get("id") != 1:
            pass
        await socket.send(b"bytes")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003


def test_a_revoked_token_ends_what_is_open(server: WebServer, token: str) -> None:
    asyncio.run(_revoked(server, token))


async def _revoked(server: WebServer, token: str) -> None:
    async with connect(f"ws://{server.host}/mcp/ws", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.send(json.dumps(HELLO))
        await socket.recv()
        await apart(tokens.revoke, [tokens.id_of(token)], by="tests", reason="a test")
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("what", ["key", "jwt", "account", "agent"])
def test_what_is_open_ends_with_what_opened_it(server: WebServer, owner: Any, world: Any, what: str) -> None:
    """By both that stay open: a WebSocket, and a stream of HTTP. The next request is refused in any case."""
    agent = _agents(world).first()
    scopes = ["tools:call", "agents:read", "zones:read"]
    key = keys.issue(owner, name="robot", scopes=scopes, agent_id=agent.pk if what == "agent" else None, by="tests")
    claims = authentication.identify(key.secret).claims
    assert claims is not None
    shown = jwts.exchange(claims, by="tests").access if what == "jwt" else key.secret

    def end() -> None:
        if what == "account":
            type(owner).objects.filter(pk=owner.pk).update(is_active=False)
        elif what == "agent":
            actions.suspend([agent.pk], by="tests")
        else:
            keys.revoke([key.id], by="tests", reason="lost")

    assert asyncio.run(_put_out(server, shown, end)) == 4401
    assert post(server, authorization=f"Bearer {shown}").status_code in (401, 403)


async def _put_out(server: WebServer, token: str, end: Any) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        connect(f"ws://{server.host}/mcp/ws", additional_headers=bearer) as socket,
        httpx2.AsyncClient(headers=HEADERS | bearer, timeout=30) as http,
    ):
        await socket.send(json.dumps(HELLO))
        await socket.recv()
        session_id = (await http.post(f"{server.origin}/mcp", json=HELLO)).headers["mcp-session-id"]
        lasting = {"mcp-session-id": session_id, "accept": "text/event-stream"}
        async with http.stream("GET", f"{server.origin}/mcp", headers=lasting) as stream:
            assert stream.status_code == 200
            await apart(end)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(socket.recv(), 30)
            with contextlib.suppress(httpx2.RemoteProtocolError):  # it is cut off in the middle
                async with asyncio.timeout(30):
                    async for _ in stream.aiter_bytes():
                        pass
    assert closed.value.rcvd is not None
    return int(closed.value.rcvd.code)


def test_over_pipes_nothing_is_done_any_more(server: WebServer, token: str, world: Any) -> None:
    asyncio.run(_pipes(server, token))


async def _pipes(server: WebServer, token: str) -> None:
    async with session("stdio", server, token) as client:
        await call(client, "world_list")
        await apart(tokens.revoke, [tokens.id_of(token)], by="tests", reason="lost")
        with pytest.raises(Exception, match="holds no longer"):
            await client.call_tool("world_pause", {"world": "Harbour"})
        with pytest.raises(Exception, match="holds no longer"):
            await client.read_resource("thunderline://worlds")


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("fly", {}, "unknown_tool"),
    ("look_around", {}, "unknown_tool"),
    ("x" * 5000, {}, "unknown_tool"),
    ("zone_list", {"colour": "red"}, "invalid_arguments"),
    ("zone_list", {"limit": "many"}, "invalid_arguments"),
    ("zone_list", {"limit": 10**30}, "invalid_arguments"),
    ("zone_list", {"world": "a\0b"}, "invalid_arguments"),
    ("zone_create", {"world": "Harbour", "name": "x" * 101}, "invalid_arguments"),
    ("zone_create", {"world": "Harbour", "name": ["Mill"]}, "invalid_arguments"),
    ("pac_get_agent", {"agent": "01940000-0000-7000-8000-000000000000"}, "agent_not_found"),
    ("pac_create_agent", {"zone": "Zone 0", "name": "A", "traits": {"openness": 7}}, "invalid_arguments"),
    ("pac_update_agent", {"agent": "Agent 0", "lifecycle": "immortal"}, "invalid_arguments"),
    ("memory_store", {"agent": "Agent 0", "content": ""}, "invalid_arguments"),
    ("memory_store", {"agent": "Agent 0", "content": "x" * 10_001}, "invalid_arguments"),
    ("send_message", {"agent": "Agent 0", "text": "  "}, "invalid_payload"),
    ("send_message", {"agent": "Agent 0", "text": "Hi", "wait_s": -1}, "invalid_arguments"),
    ("world_step", {"world": "Harbour", "ticks": 0}, "invalid_arguments"),
    ("agent_enter", {"agent": "Agent 0", "lease_s": 0}, "invalid_arguments"),
    ("agent_act", {"agent_id": "me", "lease": "mine", "action": "rest"}, "invalid_arguments"),
]
"""Tools, what they are called with, and with which code they refuse it."""


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_calls_that_do_not_fit(transport: str, server: WebServer, world: Any, token: str) -> None:
    with unchanged():
        asyncio.run(_wrong(transport, server, token))


async def _wrong(transport: str, server: WebServer, token: str) -> None:
    async with session(transport, server, token) as client:
        for tool, arguments, code in WRONG:
            found, words = await refusal(client, tool, **arguments)
            assert found == code, (tool, words)
            assert len(words) > 15
        for uri in ("thunderline://agents/nobody", "thunderline://kitchen/x", "thunderline://zones/a%00b",
                    "thunderline://agents/" + "x" * 5000):  # fmt: skip
            with pytest.raises(Exception, match=r"there is no|there is nothing|a name has"):
                await client.read_resource(uri)
        with pytest.raises(Exception, match="explain_decision"):
            await client.get_prompt("explain_decision", {"agent": "Agent 0", "colour": "red"})


def test_a_lease_that_is_over_is_not_shown_again(server: WebServer, world: Any, token: str) -> None:
    asyncio.run(_replayed(server, token))


async def _replayed(server: WebServer, token: str) -> None:
    async with session("http", server, token) as client:
        entered = await call(client, "agent_enter", agent="Agent 0")
        held = {"agent_id": entered["agent_id"], "lease": entered["lease"]}
        await call(client, "agent_leave", **held)
        before = await apart(state)
        for tool, more in (("agent_perceive", {}), ("agent_act", {"action": "rest", "wait_s": 0})):
            code, words = await refusal(client, tool, **held, **more)
            assert code == "lease_lost" and "enter it again" in words
        assert await apart(state) == before


def test_keys_and_jwts_come_in_for_what_they_are_for(server: WebServer, owner: Any) -> None:
    def issue(*scopes: str) -> keys.Issued:
        return keys.issue(owner, name="robot", scopes=scopes, by="tests")

    able, unable = issue("tools:call", "zones:read"), issue("zones:read")
    claims = authentication.identify(able.secret).claims
    assert claims is not None
    jwt = jwts.exchange(claims, by="tests").access
    for credential in (able.secret, jwt):
        assert post(server, authorization=f"Bearer {credential}").status_code == 200
    refused = post(server, authorization=f"Bearer {unable.secret}")
    assert refused.status_code == 403 and 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    keys.revoke([able.id], by="tests", reason="a test")
    for credential in (able.secret, jwt):
        ended = post(server, authorization=f"Bearer {credential}")
        assert ended.status_code == 401 and 'error="invalid_token"' in ended.headers["www-authenticate"]


def test_no_session_takes_up_the_stream_of_another(server: WebServer, world: Any, token: str, member: Any) -> None:
    def begun(token: str) -> dict[str, str]:
        bearer = {"authorization": f"Bearer {token}"}
        begun = post(server, **bearer)
        return bearer | {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}

    owners, strangers = begun(token), begun(tokens.issue(member, by="tests"))
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "world_list", "arguments": {}}}
    answer = post(server, call, **owners)
    (place,) = [line.removeprefix("id: ") for line in answer.text.splitlines() if line.startswith("id: ")][:1]
    assert "Harbour" in _taken_up(server, place, owners)
    assert _taken_up(server, place, strangers) == ""


def _taken_up(server: WebServer, place: str, headers: dict[str, str]) -> str:
    """What comes within a second behind an event of a stream."""
    read = ""
    with (
        contextlib.suppress(httpx2.ReadTimeout),
        httpx2.stream("GET", f"{server.origin}/mcp", headers=HEADERS | headers | {"last-event-id": place}, timeout=1)
        as stream,
    ):  # fmt: skip
        for text in stream.iter_text():
            read += text
    return read


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_call_that_is_sent_again_is_done_once(transport: str, server: WebServer, world: Any, token: str) -> None:
    asyncio.run(_sent_twice(transport, server, token))
    assert Agent.objects.filter(name="Mara").count() == 1


async def _sent_twice(transport: str, server: WebServer, token: str) -> None:
    made = []
    for _ in range(2):  # the line broke: another connection
        async with session(transport, server, token) as client:
            meta: Any = {"thunderline/idempotency-key": "k1"}
            made.append(await client.call_tool("pac_create_agent", {"zone": "Zone 0", "name": "Mara"}, meta=meta))
    first, again = made
    assert not first.is_error and again.structured_content == first.structured_content
    assert "thunderline/repeated" not in first.meta and again.meta["thunderline/repeated"] is True


def test_who_guesses_is_slowed_down(serve: StartServer, world: Any, token: str) -> None:
    wake_domains()
    server = serve(THUNDERLINE_LIMIT_REFUSED="3")
    found = [post(server, authorization=f"Bearer tlk_{n}") for n in range(5)]
    assert [one.status_code for one in found] == [401] * 3 + [429] * 2
    assert 0 < int(found[-1].headers["retry-after"]) <= 60 and "wait" in found[-1].json()["error_description"]
    assert post(server, authorization=f"Bearer {token}").status_code == 200, "what is good is let in"
    rest = httpx2.get(f"{server.origin}/api/v1/worlds", headers={"authorization": "Bearer x"})
    assert rest.status_code == 429, "one count for all doors"


def test_one_websocket_too_many_is_told_why(serve: StartServer, world: Any, token: str) -> None:
    wake_domains()
    asyncio.run(_too_many(serve(THUNDERLINE_SOCKET_CONNECTIONS="2"), token))


async def _too_many(server: WebServer, token: str) -> None:
    address, bearer = f"ws://{server.host}/mcp/ws", {"Authorization": f"Bearer {token}"}
    async with connect(address, additional_headers=bearer), connect(address, additional_headers=bearer):
        async with connect(address, additional_headers=bearer) as third:
            assert "at most 2 connections" in json.loads(await third.recv())["error"]["message"]
            with pytest.raises(ConnectionClosed) as closed:
                await third.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4013


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_a_call_is_told_with_the_address_that_the_proxy_says(
    transport: str, serve: StartServer, world: Any, token: str
) -> None:
    wake_domains()
    server = serve(THUNDERLINE_LIMITS="false", THUNDERLINE_PROXIES="1")
    forwarded = {"authorization": f"Bearer {token}", "x-forwarded-for": "198.51.100.9, 203.0.113.7"}
    asyncio.run(_called(transport, server, forwarded))
    (told,) = log.latest(pattern="tools.called")
    assert (told.payload["address"], told.payload["door"]) == ("203.0.113.7", transport)


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_a_change_names_the_key_that_a_jwt_is_from(transport: str, server: WebServer, owner: Any, world: Any) -> None:
    key = keys.issue(owner, name="robot", scopes=["tools:call", "zones:write"], by="tests")
    claims = authentication.identify(key.secret).claims
    assert claims is not None
    asyncio.run(_made_zone(transport, server, jwts.exchange(claims, by="tests").access))
    entry: Any = audit.entries(table="pac_zones").first()
    assert (entry.action, entry.actor, entry.door, entry.address) == ("create", "user:owner", "mcp", "127.0.0.1")
    assert (entry.user_id, entry.key_id, entry.request) == (owner.pk, str(key.id), f"zone_create by {transport}")


async def _made_zone(transport: str, server: WebServer, token: str) -> None:
    async with session(transport, server, token) as client:
        await call(client, "zone_create", world="Harbour", name="Mill")


async def _called(transport: str, server: WebServer, headers: dict[str, str]) -> None:
    hello = json.dumps(HELLO)
    begun = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "world_list", "arguments": {}}}
    if transport == "http":
        first = await asyncio.to_thread(post, server, **headers)
        more = {"mcp-session-id": first.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        assert "Harbour" in (await asyncio.to_thread(post, server, call, **headers, **more)).text
        return
    url = f"ws://{server.origin.partition('//')[2]}/mcp/ws"
    async with connect(url, additional_headers=headers, subprotocols=[Subprotocol("mcp")]) as line:
        await line.send(hello)
        await line.recv()
        await line.send(begun)
        await line.send(json.dumps(call))
        assert "Harbour" in str(await line.recv())

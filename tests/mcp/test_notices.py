"""Who watches a resource hears that it changed; completion knows names; prompts are filled in."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged
from mcp.types import PromptReference, ResourceTemplateReference

from domains.thundergate import tokens
from mcp_server import switches
from tests.factories import run_ticks
from tests.mcp.clients import apart, call, refusal, session
from tests.socket.server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_a_watched_zone_is_told_of(transport: str, server: WebServer, world: Any, token: str) -> None:
    asyncio.run(_watch(transport, server, world, token))


async def _watch(transport: str, server: WebServer, world: Any, token: str) -> None:
    async with session(transport, server, token) as client:
        zone = (await call(client, "zone_list"))["zones"][0]["id"]
        uri = f"thunderline://zones/{zone}"
        async with client.listen(resource_subscriptions=[uri], tools_list_changed=True) as heard:
            await asyncio.sleep(0.5)
            await apart(run_ticks, world, 1)
            assert await asyncio.wait_for(anext(aiter(heard)), 20) == ResourceUpdated(uri=uri)
            await apart(switches.set_switch, "zone_create", enabled=False, roles=[], by="tests")
            async with asyncio.timeout(20):
                async for event in heard:
                    if isinstance(event, ToolsListChanged):
                        break
        await asyncio.sleep(1.1)
        assert "zone_create" not in {tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools}
        assert (await refusal(client, "zone_create", world="Harbour", name="Quay"))[0] == "unknown_tool"


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")  # it is older
def test_an_older_client_subscribes(server: WebServer, world: Any, token: str) -> None:
    asyncio.run(_older(server, world, token))


async def _older(server: WebServer, world: Any, token: str) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def hear(message: Any) -> None:
        if (params := getattr(message, "params", None)) is not None and hasattr(params, "uri"):
            await heard.put(str(params.uri))

    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        way = streamable_http_client(f"{server.origin}/mcp", http_client=http)
        async with Client(way, mode="legacy", message_handler=hear) as client:
            assert client.server_capabilities.resources.subscribe  # type: ignore[union-attr]
            agent = (await call(client, "pac_get_agent", agent="Agent 0"))["id"]
            await client.subscribe_resource(f"thunderline://agents/{agent}/ticks")
            with pytest.raises(MCPError):
                await client.subscribe_resource("thunderline://agents/nobody")
            await asyncio.sleep(1.0)
            await apart(run_ticks, world, 1)
            assert await asyncio.wait_for(heard.get(), 20) == f"thunderline://agents/{agent}/ticks"
            await client.unsubscribe_resource(f"thunderline://agents/{agent}/ticks")


def test_strangers_may_not_watch(server: WebServer, world: Any, member: Any) -> None:
    asyncio.run(_strange(server, tokens.issue(member, by="tests"), _a_zone(world)))


def _a_zone(world: Any) -> str:
    return str(world.zones.first().pk)


async def _strange(server: WebServer, token: str, zone: str) -> None:
    async with session("http", server, token) as client:
        with pytest.raises(MCPError, match="no zone"):
            async with client.listen(resource_subscriptions=[f"thunderline://zones/{zone}"]):
                pass


def test_completion_and_prompts(server: WebServer, world: Any, token: str, member: Any) -> None:
    asyncio.run(_prompts(server, token))
    asyncio.run(_nothing_for_strangers(server, tokens.issue(member, by="tests")))


async def _prompts(server: WebServer, token: str) -> None:
    async with session("http", server, token) as client:
        template = ResourceTemplateReference(uri="thunderline://agents/{agent}")
        found = await client.complete(template, {"name": "agent", "value": "agent "})
        assert found.completion.values == [f"Agent {i}" for i in range(4)]
        ref = PromptReference(name="explain_decision")
        found = await client.complete(ref, {"name": "tick", "value": ""}, context_arguments={"agent": "Agent 0"})
        assert found.completion.values == ["1"]
        explained = await client.get_prompt("explain_decision", {"agent": "Agent 0", "tick": "1"})
        assert "Agent 0 chose" in explained.messages[-1].content.text  # type: ignore[union-attr]
        assert "Interview Agent 1" in str((await client.get_prompt("interview_agent", {"agent": "Agent 1"})).messages)
        for name, arguments, words in (
            ("explain_decision", {"agent": "Agent 0", "tick": "99"}, "no tick 99"),
            ("explain_decision", {"agent": "Agent 0", "tick": "x"}, "whole number"),
            ("brief_zone", {}, "Name or id of the zone"),
            ("brief_zone", {"zone": "Zone 0", "colour": "red"}, "no argument 'colour'"),
            ("interview_agent", {"agent": "Agnet 1"}, "did you mean Agent 1"),
        ):
            with pytest.raises(MCPError, match=words):
                await client.get_prompt(name, arguments)
        listed = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert "thunderline://worlds" in listed
        assert len(listed) == 4  # with the world and its two zones
        assert "Harbour" in (await client.read_resource("thunderline://worlds/Harbour")).contents[0].text  # type: ignore[union-attr]
        ticks = await client.read_resource("thunderline://agents/Agent%200/ticks")
        assert '"tick_number":1' in ticks.contents[0].text  # type: ignore[union-attr]
        for uri in ("thunderline://zones/", "thunderline://zones/a/b/c", "thunderline://ghosts/1", "thunderline://"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)


async def _nothing_for_strangers(server: WebServer, token: str) -> None:
    async with session("http", server, token) as client:
        template = ResourceTemplateReference(uri="thunderline://agents/{agent}")
        assert (await client.complete(template, {"name": "agent", "value": "Agent"})).completion.values == []

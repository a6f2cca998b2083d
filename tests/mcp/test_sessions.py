"""A whole session, as a client would have it: look around, search, live as an agent for ten turns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.models import Agent, TickLog
from domains.thunderflow import queries as thunderflow
from tests.factories import run_ticks
from tests.mcp.clients import ERAS, TRANSPORTS, apart, call, refusal, session
from tests.socket.server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)
TURNS = 10


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_whole_session(transport: str, era: str, server: WebServer, world: Any, token: str) -> None:
    asyncio.run(_whole(transport, era, server, world, token))
    assert Agent.objects.get(name="Agent 0").reasoner == "rules"
    doors = {e.payload["door"] for e in thunderflow.read_stream("tools", after=0) if e.payload["tool"] == "agent_act"}
    assert doors == {transport}


async def _whole(transport: str, era: str, server: WebServer, world: Any, token: str) -> None:
    async with session(transport, server, token, era=era) as client:
        assert client.protocol_version == era
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"world_list", "zone_list", "pac_get_agent", "memory_search", "agent_enter", "world_step"} <= names
        assert [w["name"] for w in (await call(client, "world_list"))["worlds"]] == ["Harbour"]
        assert (await call(client, "pac_list_agents", zone="Zone 0"))["total"] == 2
        await call(client, "memory_store", agent="Agent 0", content="The lighthouse keeper lent me a rope.")
        found = await call(client, "memory_search", agent="Agent 0", text="who lent a rope?", limit=1, explain=True)
        assert found["memories"][0]["content"] == "The lighthouse keeper lent me a rope."
        assert found["memories"][0]["because"]
        await _live(client, world)
        resource = await client.read_resource("thunderline://zones/Zone%200")
        assert '"Zone 0"' in resource.contents[0].text  # type: ignore[union-attr]
        prompt = await client.get_prompt("brief_zone", {"zone": "Zone 0"})
        assert "Brief me on Zone 0" in prompt.messages[-1].content.text  # type: ignore[union-attr]


async def _live(client: Any, world: Any) -> None:
    """Ten turns, each at a world tick of its own; others tick meanwhile, the agent does nothing by itself."""
    entered = await call(client, "agent_enter", agent="Agent 0")
    held = {"agent_id": entered["agent_id"], "lease": entered["lease"]}
    before = await apart(TickLog.objects.filter(agent_id=entered["agent_id"]).count)
    actions = []
    for turn in range(TURNS):
        await apart(run_ticks, world, 1)
        perceived = await call(client, "agent_perceive", **held)
        assert perceived["can_act"]
        offered = [one["action"] for one in perceived["offered"]]
        wanted = ("socialize", "explore", "reflect")[turn % 3]
        action = wanted if wanted in offered else "rest" if "rest" in offered else "reflect"
        done = await call(client, "agent_act", action=action, reasoning=f"turn {turn}", **held)
        assert (done["action"], done["perceived"]["can_act"]) == (action, False)
        actions.append(action)
    await _wait_in_vain(client, held)
    code, words = await refusal(client, "agent_act", action="reflect", wait_s=0, **held)
    assert code == "too_soon"
    assert "paused" in words
    await call(client, "agent_leave", **held)
    logs = await apart(lambda: list(TickLog.objects.filter(agent_id=entered["agent_id"]).order_by("tick_number")))
    assert [log.action for log in logs[before:]] == actions
    assert [log.reasoning for log in logs[before:]] == [f"turn {turn}" for turn in range(TURNS)]
    assert len({log.world_tick for log in logs[before:]}) == TURNS
    code, _ = await refusal(client, "agent_perceive", **held)
    assert code == "lease_lost"


async def _wait_in_vain(client: Any, held: dict[str, str]) -> None:
    """The world is paused: what waits for its next tick says so until it gives up."""
    heard: list[float] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append(done)
        assert message == "waiting for the next tick of Harbour"

    arguments = {"action": "reflect", "wait_s": 0.7, **held}
    found = await client.call_tool("agent_act", arguments, progress_callback=hear)
    assert found.is_error
    assert len(heard) >= 2
    assert heard == sorted(heard)

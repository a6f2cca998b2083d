"""A world with somebody who reaches for outside tools at each tick, and a server that has them."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.models import Agent, Message, OutsideCall
from domains.thunderflow import queries as thunderflow
from mcp_server.models import OutsideServer as Row
from mcp_server.models import OutsideTool
from mcp_server.outside import actions, offers
from mcp_server.outside.service import Service
from tests.integration.agents.living import person
from tests.outside_server import OutsideServer
from zones.models import Zone


def seeker(zone: Zone, name: str = "Mara", *tools: str, **fields: Any) -> Agent:
    """Uses a tool of these at each tick."""
    effects = {"tool_access": list(tools or ["town.echo"]), "action_weights": {"use_tool": 90.0}}
    mods = [{"name": "reach", "kind": "tool", "effects": effects}]
    return person(zone, name, **{"mods": mods, "stats": {"energy": 100}, **fields})


def known(server: OutsideServer, name: str = "town", **fields: Any) -> Row:
    """Name the server, and find its tools."""
    row = actions.add(name=name, url=server.url, by="user:operator", **{"agent_calls_per_minute": 1000, **fields})
    serve()
    row.refresh_from_db()
    return row


def switch(full_name: str, *, on: bool = True, **where: Any) -> OutsideTool:
    tool = actions.find_tool(full_name)
    actions.set_tool(tool.pk, enabled=on, by="user:operator", **where)
    offers.forget()
    tool.refresh_from_db()
    return tool


def serve() -> None:
    """Let the process work until nothing is due."""
    offers.forget()
    asyncio.run(Service().run(until_idle=True))


def calls(**filters: Any) -> list[OutsideCall]:
    """In the order in which they were wanted."""
    return list(OutsideCall.objects.filter(**filters).order_by("id"))


def outcomes() -> list[tuple[str, str]]:
    return [(call.status, call.code) for call in calls()]


def inbox(agent: Agent) -> list[tuple[str, str, str]]:
    """Sender, text and status of all that came, oldest first."""
    rows = Message.objects.filter(recipient=agent).order_by("number")
    return [(row.sender, row.text, row.status) for row in rows]


def head() -> int:
    """How far the stream of tools is: the log is not emptied between tests."""
    return max((e.seq for e in thunderflow.read_stream("tools", after=0)), default=0)


def told(topic: str, after: int) -> list[dict[str, Any]]:
    return [dict(e.payload) for e in thunderflow.read_stream("tools", after=after) if e.topic == topic]

"""The limit of `bench mcp`: a server of the SDK with one tool that gives back what it holds, and nothing besides.

Mounted as ours is: its session manager is started on the running loop when it is first asked.
"""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.mcpserver import MCPServer

SHOWN = {"name": "Mara 1", "world": "Bench", "zone": "Square", "stats": {"energy": 80.0}, "ticks": ["It rained."] * 5}
server: MCPServer[Any] = MCPServer("limit")


@server.tool()
async def look() -> dict[str, Any]:
    """As much as a tool of ours tells of an agent, from memory."""
    return SHOWN


_app = server.streamable_http_app()
_started: asyncio.Event | None = None


async def _run(started: asyncio.Event) -> None:
    async with server.session_manager.run():
        started.set()
        await asyncio.Event().wait()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What daphne serves."""
    global _started, _task
    if _started is None:
        _started = asyncio.Event()
        _task = asyncio.create_task(_run(_started))
    await _started.wait()
    await server.session_manager.handle_request(scope, receive, send)


_task: asyncio.Task[None] | None = None

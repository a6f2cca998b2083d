"""Ways in for the SDK's client: HTTP, WebSocket, and a process of its own over its pipes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import httpx2
from django.db import connections
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import CallToolResult, jsonrpc_message_adapter
from websockets.asyncio.client import connect

from tests.socket.server import WebServer
from thunderline.config import BASE_DIR

T = TypeVar("T")
TRANSPORTS = ("http", "websocket", "stdio")
ERAS = {"2026-07-28": "auto", "2025-11-25": "legacy"}
"""By protocol version: the client's mode that leads to it."""


@asynccontextmanager
async def websocket_client(url: str, token: str) -> AsyncIterator[Any]:
    """One JSON-RPC message a text frame, as a client of ours would write it."""
    from_server, to_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    from_client, to_server = anyio.create_memory_object_stream[SessionMessage](0)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        connect(url, additional_headers=headers, subprotocols=["mcp"]) as socket,
        anyio.create_task_group() as tg,
    ):  # type: ignore[list-item]

        async def read() -> None:
            async with from_server:
                async for text in socket:
                    await from_server.send(SessionMessage(jsonrpc_message_adapter.validate_json(text)))

        async def write() -> None:
            async with to_server:
                async for message in to_server:
                    await socket.send(message.message.model_dump_json(by_alias=True, exclude_unset=True))

        tg.start_soon(read)
        tg.start_soon(write)
        yield to_client, from_client
        tg.cancel_scope.cancel()


@asynccontextmanager
async def session(transport: str, server: WebServer, token: str, *, era: str = "2026-07-28") -> AsyncIterator[Client]:
    """A client that has connected, in an era of the protocol."""
    mode: Any = ERAS[era]
    if transport == "http":
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            way = streamable_http_client(f"{server.origin}/mcp", http_client=http)
            async with Client(way, mode=mode) as client:
                yield client
    elif transport == "websocket":
        async with Client(websocket_client(f"ws://{server.host}/mcp/ws", token), mode=mode) as client:
            yield client
    else:
        environ = {**server.environment(), "THUNDERLINE_MCP_TOKEN": token}
        command = StdioServerParameters(
            command=sys.executable, args=["manage.py", "mcp_stdio"], env=environ, cwd=BASE_DIR
        )
        with server.log_file().open("a") as log:
            async with Client(stdio_client(command, errlog=log), mode=mode) as client:
                yield client


async def call(client: Client, tool: str, /, **arguments: Any) -> Any:
    """The tool's output. Raises: AssertionError with what was told when it was refused."""
    found = await client.call_tool(tool, arguments)
    assert isinstance(found, CallToolResult)
    assert not found.is_error, told(found)
    return found.structured_content


async def refusal(client: Client, tool: str, /, **arguments: Any) -> tuple[str, str]:
    """The code and the sentence of a call that must be refused."""
    found = await client.call_tool(tool, arguments)
    assert isinstance(found, CallToolResult)
    assert found.is_error, told(found)
    return (found.meta or {}).get("thunderline/code", ""), told(found)


def told(result: CallToolResult) -> str:
    """What a result says in words."""
    return " ".join(getattr(content, "text", "") for content in result.content)


async def apart(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Something that needs the database, beside the running loop."""

    def closing() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(closing)

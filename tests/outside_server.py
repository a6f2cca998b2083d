"""Somebody else's MCP server for tests: a real one on the SDK, in a thread, as good or as bad as a test wants it.

with outside_server() as server:
    server.has("echo", echo)            # `echo`, `slow`, … below; or any `async (arguments, meta) -> CallToolResult`
    server.wrong = answering(500)       # how every HTTP request is answered, until it is None again
    … server.url …
    assert server.called[0].meta["thunderline/idempotency-key"]
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, Tool, ToolAnnotations

Behaviour = Callable[["Called"], Awaitable[CallToolResult]]
Wrong = Callable[[Any, Any, Any], Awaitable[None]]

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a tool."""

    name: str
    arguments: Mapping[str, Any]
    meta: Mapping[str, Any]
    token: str
    """As the request had it in its header."""


class _Server(MCPServer[Any]):
    def __init__(self, owner: OutsideServer) -> None:
        self.owner = owner
        super().__init__("outside", version="1")

    async def list_tools(self) -> list[Tool]:
        return list(self.owner.tools.values())

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        request = context.request_context
        meta = dict(request.meta or {})
        token = request.request.headers.get("authorization", "") if request.request is not None else ""
        called = Called(name, arguments, meta, token)
        self.owner.called.append(called)
        return await self.owner.behaviours[name](called)


@dataclass
class OutsideServer:
    """What a test holds. Thread-safe as far as tests go."""

    port: int = 0
    tools: dict[str, Tool] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    called: list[Called] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    """Of all HTTP requests."""
    wrong: Wrong | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def has(
        self, name: str, behaviour: Behaviour, *, takes: dict[str, Any] = TEXT, gives: dict[str, Any] | None = None,
        description: str = "A tool.", read_only: bool = False,
    ) -> None:  # fmt: skip
        """Have a tool from now on."""
        self.behaviours[name] = behaviour
        self.tools[name] = Tool(
            name=name, description=description, input_schema=takes, output_schema=gives,
            annotations=ToolAnnotations(read_only_hint=read_only),
        )  # fmt: skip

    def lacks(self, name: str) -> None:
        """Have it no more."""
        del self.tools[name]


def said(text: str, data: Any = None, *, error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=data, is_error=error)


async def echo(called: Called) -> CallToolResult:
    """Gives back what it was given."""
    return said(f"you said {called.arguments['text']}", {"text": called.arguments["text"]})


def giving(data: Any, text: str = "") -> Behaviour:
    async def give(_: Called) -> CallToolResult:
        return said(text, data)

    return give


def failing(text: str) -> Behaviour:
    async def fail(_: Called) -> CallToolResult:
        return said(text, error=True)

    return fail


def slow(seconds: float, then: Behaviour = echo) -> Behaviour:
    async def take_time(called: Called) -> CallToolResult:
        await asyncio.sleep(seconds)
        return await then(called)

    return take_time


def answering(status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> Wrong:
    """Every request gets this."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        await send({"type": "http.response.body", "body": body})

    return answer


def endless(kind: bytes = b"application/json") -> Wrong:
    """An answer that never ends."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        while True:
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
            await asyncio.sleep(0)

    return answer


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    """No answer, as long as anybody waits for it."""
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def outside_server(port: int = 0) -> Iterator[OutsideServer]:
    """A server on a free port of 127.0.0.1 (or this one), for as long as the block lasts."""
    owner = OutsideServer()
    app = _Server(owner).streamable_http_app(host="127.0.0.1")

    async def all_of_it(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            owner.paths.append(scope["path"])
            if owner.wrong is not None:
                await owner.wrong(scope, receive, send)
                return
        await app(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", port))
    owner.port = listening.getsockname()[1]
    config = uvicorn.Config(all_of_it, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield owner
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()

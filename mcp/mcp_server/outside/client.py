"""Talking to an outside MCP server: the one place that does. One session a task, on the official SDK.

The token is sent to the server's own origin and nowhere else (no redirects elsewhere, no proxies of the environment).
Connections go to addresses that are allowed; what comes back is bounded in time and size, and nothing that the server
asks of us is answered: no sampling, no elicitation, no roots.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

import anyio
import httpx2
import orjson
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import PARSE_ERROR, CallToolRequest, CallToolRequestParams, CallToolResult, Implementation, TextContent
from pydantic import ValidationError

from mcp import Client
from mcp_server.outside import addresses

MAX_BYTES = 2_000_000
"""Of all answers of one session."""
MOST_TOOLS, MOST_PAGES = 200, 20
LONGEST_RESULT = 64_000
"""Characters."""
KEY = "thunderline/idempotency-key"
"""Under `_meta` of a call, to others and to us: the same for each try of it. The protocol has no word for it."""
NAME = Implementation(name="thunderline", version=version("thunderline"))

UNREACHABLE, FORBIDDEN, TIMEOUT, SERVER_ERROR = "unreachable", "forbidden_address", "timeout", "server_error"
UNAUTHORIZED, TOO_LONG, NONSENSE, TOOL_ERROR = "unauthorized", "too_long", "nonsense", "tool_error"

T = TypeVar("T")


class Failed(Exception):
    """A session brought nothing. `code` says why; the message is for people and names no secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message[:400])
        self.code = code

    @property
    def fault(self) -> bool:
        """Whether the server as a whole is to blame, and not what it was asked."""
        return self.code != TOOL_ERROR


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is and how it is spoken to."""

    url: str
    token: str = field(repr=False)
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Given:
    """What a tool gave: its words, or its structured content as JSON. `data` is that content; None: it has none."""

    text: str
    data: Any
    structured: bool
    ms: float


@dataclass(frozen=True, slots=True)
class Found:
    """A tool as its server describes it."""

    name: str
    title: str
    description: str
    input: Any
    output: Any
    read_only: bool
    idempotent: bool


async def call(target: Target, name: str, arguments: dict[str, Any], *, key: str) -> Given:
    """Call a tool. Raises: Failed."""
    started = time.perf_counter()

    async def ask(client: Client) -> CallToolResult:
        meta: Any = {KEY: key}
        params = CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
        # Not `call_tool`, which would check results on the loop, by whatever patterns the server's schema has.
        return await client.session.send_request(CallToolRequest(params=params), CallToolResult)

    result = await _session(target, ask)
    ms = round((time.perf_counter() - started) * 1000, 2)
    structured = result.structured_content is not None
    words = orjson.dumps(result.structured_content).decode() if structured else _words(result)
    if result.is_error:
        raise Failed(TOOL_ERROR, _words(result) or "the tool failed and does not say why")
    if len(words) > LONGEST_RESULT:
        raise Failed(TOO_LONG, f"the result has {len(words):,} characters; {LONGEST_RESULT:,} is the most")
    return Given(words, result.structured_content, structured, ms)


async def tools(target: Target) -> list[Found]:
    """The tools of a server. Raises: Failed."""

    async def ask(client: Client) -> list[Found]:
        found: list[Found] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [_found(tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None or len(found) > MOST_TOOLS:
                break
        if len(found) > MOST_TOOLS or cursor is not None:
            raise Failed(TOO_LONG, f"the server has more than {MOST_TOOLS} tools, or lists them without an end")
        return found

    return await _session(target, ask)


def _found(tool: Any) -> Found:
    hints = tool.annotations
    return Found(
        name=tool.name, title=tool.title or (hints and hints.title) or "", description=tool.description or "",
        input=tool.input_schema, output=tool.output_schema, read_only=bool(hints and hints.read_only_hint),
        idempotent=bool(hints and hints.idempotent_hint),
    )  # fmt: skip


def _words(result: CallToolResult) -> str:
    """What can be read; of pictures and sounds, that there are some."""
    parts = [one.text if isinstance(one, TextContent) else f"[{one.type}]" for one in result.content]
    return "\n".join(part for part in parts if part).strip()


async def _session(target: Target, ask: Callable[[Client], Awaitable[T]]) -> T:
    """Open a session, ask once, close it. What was answered counts, however the session ends. Raises: Failed."""
    answers: list[T] = []
    greeted = False
    transport = _Transport()
    headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {target.token}"} if target.token else {})
    problem: BaseException | None = None
    try:
        with anyio.fail_after(target.timeout_s):
            async with httpx2.AsyncClient(
                transport=transport, headers=headers, timeout=target.timeout_s, trust_env=False
            ) as http:
                stream = streamable_http_client(target.url, http_client=http, max_sse_event_size=MAX_BYTES)
                async with Client(
                    stream, cache=None, client_info=NAME, read_timeout_seconds=target.timeout_s
                ) as client:
                    greeted = True
                    answers.append(await ask(client))
    except Exception as error:
        problem = error
    if answers:
        return answers[0]
    failure = transport.failure or _failure(problem, target)
    if failure.code == TOOL_ERROR and not greeted:
        failure = Failed(NONSENSE, str(failure))
    raise failure from problem


def _failure(problem: BaseException | None, target: Target) -> Failed:
    """What went wrong, from the first exception that says anything."""
    if isinstance(problem, BaseExceptionGroup):
        return _failure(problem.exceptions[0], target)
    if isinstance(problem, Failed):
        return problem
    if isinstance(problem, TimeoutError | httpx2.TimeoutException):
        return Failed(TIMEOUT, f"no answer within {target.timeout_s:g} s")
    if isinstance(problem, MCPError):
        if problem.code == PARSE_ERROR:
            return Failed(NONSENSE, "the answer is none of the protocol's")
        if problem.code == -32001:  # the SDK's own, when a read takes too long
            return Failed(TIMEOUT, f"no answer within {target.timeout_s:g} s")
        return Failed(TOOL_ERROR, f"the server refused it: {problem.message}")
    if isinstance(problem, ValidationError):
        return Failed(NONSENSE, "the answer is none of the protocol's")
    return Failed(SERVER_ERROR, f"the connection failed: {type(problem).__name__}")


class _Transport(httpx2.AsyncHTTPTransport):
    """HTTP to allowed addresses only, bounded; remembers what went wrong, which the SDK tells in general terms."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)
        self.failure: Failed | None = None
        self.received = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Look the host up, and connect to what was found; TLS asks for the name as ever."""
        url = request.url
        try:
            address = await addresses.find(url.host, url.port or (443 if url.scheme == "https" else 80))
        except addresses.Forbidden as error:
            raise self._note(FORBIDDEN, str(error), httpx2.ConnectError) from error
        except (OSError, UnicodeError) as error:
            raise self._note(UNREACHABLE, f"{url.host} is not known", httpx2.ConnectError) from error
        there = httpx2.Request(
            request.method, url.copy_with(host=address), headers=request.headers, stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )  # fmt: skip
        try:
            response = await super().handle_async_request(there)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._note(UNREACHABLE, f"cannot connect: {error}", httpx2.ConnectError) from error
        return self._looked_at(request, response)

    def _looked_at(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        status = response.status_code
        if status in (401, 403):
            self._note(UNAUTHORIZED, f"the server answers {status}: its token is missing or wrong")
        elif status >= 500:
            self._note(SERVER_ERROR, f"the server answers {status}")
        elif (
            status in (404, 405) and request.method == "POST" and "json" not in response.headers.get("content-type", "")
        ):
            self._note(NONSENSE, f"the server answers {status}: there is no MCP server at this path")
        elif status == 200 and request.method == "POST":
            kind = response.headers.get("content-type", "")
            self.failure = None  # what went wrong before was got over
            if not kind.lower().startswith(("application/json", "text/event-stream")):
                self._note(
                    NONSENSE, f"the server answers with {kind[:50] or 'nothing'}, which is none of the protocol's"
                )
        if "content-encoding" in response.headers:
            raise self._note(NONSENSE, "the answer is compressed, though that was not asked for", httpx2.ReadError)
        response.stream = _Counted(response.stream, self)
        return response

    def _note(self, code: str, message: str, kind: type[httpx2.TransportError] = httpx2.TransportError) -> Exception:
        self.failure = Failed(code, message)
        return kind(message)

    def count(self, size: int) -> None:
        """Raises: ReadError when all answers together are too long."""
        self.received += size
        if self.received > MAX_BYTES:
            raise self._note(TOO_LONG, f"more than {MAX_BYTES:,} bytes came back", httpx2.ReadError)


class _Counted(httpx2.AsyncByteStream):
    """A body that ends in an error rather than without an end."""

    def __init__(self, stream: Any, transport: _Transport) -> None:
        self._stream, self._transport = stream, transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._transport.count(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()

"""The server as AI clients see it: our registry's tools, resources and prompts on the official SDK.

Everything is asked for somebody: who calls is put into context by a middleware, from what the transport attached to the
message. Handlers of the SDK are async and thin; what needs the database runs in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    EmptyResult,
    GetPromptResult,
    Prompt,
    PromptReference,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    SubscribeRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
    UnsubscribeRequestParams,
)

from domains import tools
from domains.thunderflow.context import acting
from mcp_server import access, calls, completions, prompts, resources, sdk
from mcp_server.access import Who
from mcp_server.notices import Notices
from mcp_server.outside.client import KEY
from mcp_server.threads import Threads

INSTRUCTIONS = """\
Thunderline keeps worlds of living agents. A world has zones and a clock; agents stand in zones, and at their ticks
they perceive, decide, act and remember. Begin with world_list, zone_list and pac_list_agents. To live as an agent:
agent_enter, then agent_perceive and agent_act in turns, and agent_leave when you are done. What is refused says what
to do instead."""

_who: ContextVar[Who | None] = ContextVar("mcp_who", default=None)
WHO = "thunderline.who"
"""Where transports put who calls: in the scope of what they attach to a message."""
COUNTED = frozenset({"resources/read", "resources/subscribe", "subscriptions/listen", "prompts/get"})
"""Requests that are limited besides calls of tools."""


def caller() -> Who:
    """Who calls, in a handler. Raises: MCPError when the transport did not say: nobody may do anything."""
    who = _who.get()
    if who is None:
        raise MCPError(INVALID_PARAMS, "nobody is known here")
    return who


class ThunderServer(MCPServer[Any]):
    """One an event loop. `alone`: who calls where the transport says nothing, as over stdio."""

    def __init__(self, *, alone: Who | None = None, **more: Any) -> None:
        self.alone = alone
        self.threads = Threads()
        self.notices = Notices(self.threads)
        super().__init__(
            "thunderline", title="Thunderline", version=version("thunderline"), instructions=INSTRUCTIONS,
            subscriptions=self.notices, middleware=[self._as_caller, *more.pop("middleware", [])], **more,
        )  # fmt: skip
        sdk.announce_changes(self.low)
        self.completion()(self._complete)
        self.low.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        self.low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    @property
    def low(self) -> Server[Any]:
        """The SDK's server beneath, which transports of our own drive."""
        return sdk.low(self)

    async def _as_caller(self, ctx: ServerRequestContext[Any, Any], call_next: Any) -> Any:
        who = sdk.scope_of(ctx).get(WHO, self.alone)
        token = _who.set(who)
        try:
            with acting(actor=who.actor, origin=who.origin(ctx.method)) if who is not None else nullcontext():
                return await self._handled(ctx, who, call_next)
        finally:
            _who.reset(token)

    async def _handled(self, ctx: ServerRequestContext[Any, Any], who: Who | None, call_next: Any) -> Any:
        if self.alone is not None:
            await self._check_still(self.alone)
        if who is not None and ctx.method in COUNTED:
            await self._check_rate(who)
        if ctx.method == "subscriptions/listen":
            await self._check_listened(ctx, who)
        return await call_next(ctx)

    async def _check_still(self, who: Who) -> None:
        """Over pipes nobody closes a connection from here: it is looked at each time. Raises: MCPError."""
        if await self.threads.run(access.over, [who]):
            raise MCPError(INVALID_REQUEST, "what let you in holds no longer: it was revoked, or has expired")

    async def _check_rate(self, who: Who) -> None:
        """Raises: MCPError."""
        try:
            await self.threads.run(calls.check_rate, who)
        except tools.ToolError as error:
            raise MCPError(INVALID_REQUEST, str(error)) from error

    # --- Tools -----------------------------------------------------------------------------------------------

    async def list_tools(self) -> list[Tool]:
        """Those that the caller may call, by name."""
        found = await self.threads.run(calls.offered, caller())
        return [*map(as_mcp, found), *await super().list_tools()]

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None) -> Any:
        """Call one; what is refused is a result that says so, and no error of the protocol."""
        if self._tool_manager.get_tool(name) is not None:
            return await super().call_tool(name, arguments, context)
        tool, progress = tools.get_for_people(name), _Progress(context)
        key = ((context.request_context.meta if context else None) or {}).get(KEY)
        if tool is not None and tool.conduct is not None and tool.conduct.waits:
            if self.threads.crowded:
                return _result(calls.Outcome("overloaded", "too many calls wait just now; try again in a moment"))
            with progress.watched():
                outcome = await self.threads.wait(calls.run, caller(), name, arguments, progress.tell, key)
        else:
            outcome = await self.threads.run(calls.run, caller(), name, arguments, progress.tell, key)
        await progress.told()
        return _result(outcome)

    # --- Resources -------------------------------------------------------------------------------------------

    async def list_resources(self) -> list[Resource]:
        """Worlds and zones that the caller may see."""
        return [*await self.threads.run(resources.listed, caller()), *await super().list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """How addresses are made."""
        return [*resources.TEMPLATES, *await super().list_resource_templates()]

    async def read_resource(
        self, uri: Any, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | Any:
        """The content of one. Raises: ResourceNotFoundError, also for what the caller may not see."""
        if not str(uri).startswith(resources.SCHEME):
            return await super().read_resource(uri, context)
        try:
            text = await self.threads.run(resources.read, caller(), str(uri))
        except resources.NotThere as error:
            raise ResourceNotFoundError(str(error)) from error
        return [ReadResourceContents(content=text, mime_type=resources.JSON)]

    async def _subscribe(self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        await self._check_visible([str(params.uri)])
        self.notices.subscribe_session(ctx.session, str(params.uri))
        return EmptyResult()

    async def _unsubscribe(self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        self.notices.unsubscribe_session(ctx.session, str(params.uri))
        return EmptyResult()

    async def _check_listened(self, ctx: ServerRequestContext[Any, Any], who: Who | None) -> None:
        wanted = ((ctx.params or {}).get("notifications") or {}).get("resourceSubscriptions") or []
        if who is not None and isinstance(wanted, list):
            await self._check_visible([uri for uri in wanted if isinstance(uri, str)])

    async def _check_visible(self, uris: list[str]) -> None:
        """Raises: MCPError for one of ours that there is not, or not for the caller."""
        ours = [uri for uri in uris if uri.startswith(resources.SCHEME)]
        try:
            for uri in ours:
                await self.threads.run(resources.check, caller(), uri)
        except resources.NotThere as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error

    # --- Prompts and completion ------------------------------------------------------------------------------

    async def list_prompts(self) -> list[Prompt]:
        """What one can be briefed with."""
        return [*prompts.PROMPTS, *await super().list_prompts()]

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | Any:
        """One with its arguments filled in. Raises: MCPError, which says what does not fit."""
        if name not in prompts.NAMES:
            return await super().get_prompt(name, arguments, context)
        try:
            return await self.threads.run(prompts.get, caller(), name, arguments or {})
        except tools.ToolError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error

    async def _complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        return await self.threads.run(completions.complete, caller(), ref, argument, context)


def as_mcp(tool: tools.Tool) -> Tool:
    """A tool as clients are told of it."""
    conduct, schemas = tool.conduct, tool.schemas()
    hints = None
    if conduct is not None:
        hints = ToolAnnotations(
            title=conduct.title, read_only_hint=conduct.read_only, idempotent_hint=conduct.idempotent,
            destructive_hint=conduct.destructive, open_world_hint=False,
        )  # fmt: skip
    return Tool(
        name=tool.name, title=conduct.title if conduct else None, description=tool.description,
        input_schema=schemas["input"], output_schema=schemas["output"], annotations=hints,
    )  # fmt: skip


def _result(outcome: calls.Outcome) -> CallToolResult:
    meta: dict[str, Any] = {} if outcome.done else {"thunderline/code": outcome.code}
    if outcome.repeated:
        meta["thunderline/repeated"] = True
    return CallToolResult(
        content=[TextContent(type="text", text=outcome.text)], structured_content=outcome.data,
        is_error=not outcome.done, _meta=meta or None,
    )  # fmt: skip


class _Progress:
    """From a thread to the client, in order; all is told before the call's result is."""

    EVERY_S = 0.2

    def __init__(self, context: Context[Any, Any] | None) -> None:
        self._context, self._loop = context, asyncio.get_running_loop()
        self._last: Future[None] | None = None
        self._next_at = 0.0
        self._over = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whoever no longer waits for the result need not be waited for."""
        try:
            yield
        except asyncio.CancelledError:
            self._over = True
            raise

    def tell(self, done: float, total: float | None, message: str) -> None:
        """Called in a thread; what comes too soon after the last is left out. Raises: ToolError, to end a wait."""
        if self._over or not self._loop.is_running():
            raise tools.ToolError("cancelled", "nobody waits for this any more")
        now = self._loop.time()
        if self._context is None or now < self._next_at:
            return
        self._next_at = now + self.EVERY_S
        self._last = asyncio.run_coroutine_threadsafe(self._context.report_progress(done, total, message), self._loop)

    async def told(self) -> None:
        """Wait until the last one is on its way."""
        if self._last is not None:
            await asyncio.wait([asyncio.wrap_future(self._last)], timeout=1.0)

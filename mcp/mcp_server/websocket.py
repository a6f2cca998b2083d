"""The door over WebSocket: `/mcp/ws`, one JSON-RPC message a text frame, subprotocol `mcp`. Both eras of the protocol.

A client shows its credential as a header. Browsers cannot, and are not meant: cookies let nobody in here.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
from django.conf import settings
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from domains.thundergate import addresses
from domains.thunderlink.socket.application import crowded
from domains.thunderlink.socket.connection import CROWDED
from mcp_server import sdk
from mcp_server.access import Refused, Who
from mcp_server.application import (
    WEBSOCKET,
    Endpoint,
    Receive,
    Scope,
    Send,
    headers_of,
    here,
    host_is_ours,
    origin_is_ours,
)
from mcp_server.server import WHO

logger = logging.getLogger(__name__)
PATH = "/mcp/ws"
SUBPROTOCOL = "mcp"
LONGEST = 1_000_000
"""Bytes of one message."""
NOT_AUTHENTICATED, FORBIDDEN, NOT_TEXT, TOO_LONG = 4401, 4403, 4003, 4009
OVER = NOT_AUTHENTICATED


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """One client, from its request to its end. Refused before anything is accepted."""
    endpoint, headers = here(), headers_of(scope)
    while (await receive())["type"] != "websocket.connect":
        pass
    if not host_is_ours(headers) or not origin_is_ours(headers):
        await send({"type": "websocket.close", "code": FORBIDDEN})
        return
    try:
        who = await endpoint.who(headers, door=WEBSOCKET, address=addresses.of_scope(scope))
    except Refused as refusal:
        logger.info("a client was refused: %s", refusal)
        await send({"type": "websocket.close", "code": FORBIDDEN if refusal.status == 403 else NOT_AUTHENTICATED})
        return
    chosen = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    if endpoint.is_full_for(who):
        error = ErrorData(code=INVALID_REQUEST, message=crowded(settings.SOCKET["connections"]))
        told = JSONRPCError(jsonrpc="2.0", id=None, error=error)
        await send({"type": "websocket.send", "text": told.model_dump_json(by_alias=True, exclude_unset=True)})
        await send({"type": "websocket.close", "code": CROWDED})
        return
    await _serve(endpoint, who, receive, send)


async def _serve(endpoint: Endpoint, who: Who, receive: Receive, send: Send) -> None:
    into_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    from_server, to_client = anyio.create_memory_object_stream[SessionMessage](0)
    metadata = sdk.attached(**{WHO: who})
    close: dict[str, Any] = {"code": 1000}
    low = endpoint.server.low
    async with anyio.create_task_group() as tasks:

        def end() -> None:
            close["code"] = OVER
            tasks.cancel_scope.cancel()

        async def read() -> None:
            async with into_server:
                while (message := await receive())["type"] == "websocket.receive":
                    text = message.get("text")
                    if text is None or len(text) > LONGEST:
                        close["code"] = NOT_TEXT if text is None else TOO_LONG
                        break
                    try:
                        await into_server.send(SessionMessage(jsonrpc_message_adapter.validate_json(text), metadata))
                    except ValidationError as error:
                        await into_server.send(error)
                else:
                    close.clear()
            tasks.cancel_scope.cancel()

        async def write() -> None:
            async with to_client:
                async for message in to_client:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await send({"type": "websocket.send", "text": text})

        with endpoint.opened(who, end):
            tasks.start_soon(read)
            tasks.start_soon(write)
            await low.run(from_client, from_server, low.create_initialization_options())
            tasks.cancel_scope.cancel()
    if close:
        await send({"type": "websocket.close", **close})

"""What is used of the SDK that it does not promise: all of it is here, and `tests/unit/mcp_server/test_sdk.py` says so
when a newer SDK is not as we know it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import ServerMessageMetadata


def low(server: MCPServer[Any]) -> Server[Any]:
    """The server beneath: it takes handlers that the upper one has no word for, and transports drive it."""
    return server._lowlevel_server


def announce_changes(server: Server[Any]) -> None:
    """Tell older clients in the handshake that lists may change: transports of the SDK do not ask for it."""
    make, changes = server.create_initialization_options, NotificationOptions(False, True, True)

    def with_changes(options: NotificationOptions | None = None, *args: Any, **kwargs: Any) -> Any:
        return make(options or changes, *args, **kwargs)

    server.create_initialization_options = with_changes  # type: ignore[method-assign,assignment]


def connection_of(session: Any) -> Any:
    """What lasts and can be told of changes: a session is made for each request and does not say whose it is."""
    return session._connection


def attached(**scope: Any) -> ServerMessageMetadata:
    """What a transport of ours attaches to a message, so that `scope_of` finds it: as if it were a request of HTTP."""
    return ServerMessageMetadata(request_context=SimpleNamespace(scope=scope, headers={}))


def scope_of(ctx: Any) -> dict[str, Any]:
    """What the transport attached to the message that is handled; empty where it attached nothing."""
    return getattr(ctx.request, "scope", None) or {}

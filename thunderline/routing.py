"""Which door a connection comes to: pages and REST, the socket, AI clients. Import it after Django is set up."""

from __future__ import annotations

from typing import Any, cast

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from domains.thunderlink.socket import node
from domains.thunderlink.socket.application import refuse, socket, with_line
from mcp_server import application as mcp
from mcp_server.websocket import websocket as mcp_socket

http = get_asgi_application()
browsers = AuthMiddlewareStack(cast(Any, socket))
sockets = URLRouter(
    [
        path("socket/websocket", cast(Any, browsers)),
        path("mcp/ws", cast(Any, mcp_socket)),
        re_path("", cast(Any, refuse)),
    ]
)


async def web(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Django's pages, and beside them the door for AI clients, which streams and is asked with a key."""
    await (mcp.application if mcp.is_ours(scope["path"]) else cast(Any, http))(scope, receive, send)


application = ProtocolTypeRouter({"http": cast(Any, web), "websocket": with_line(sockets), "lifespan": node.lifespan})

"""The application as it is served, with an eye inside: `GET /observed` tells what its process holds."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import psutil

from thunderline.asgi import application as served

# isort: split
# Models can be imported once that has set Django up.
from domains.thunderlink.socket.channel import Channel
from zones.models import World


class Renaming(Channel):
    """A door that changes what people set up: none of ours does so by the socket, and others may."""

    topics = ("tests:rename",)
    pushes = frozenset({"rename"})

    async def pushed(self, event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Rename a world."""
        rows = World.objects.filter(pk=payload["id"])
        return {"renamed": await self.connection.hub.database(rows.update, name=payload["name"])}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Everything but that one address goes to the application."""
    if scope["type"] != "http" or scope["path"] != "/observed":
        await served(scope, receive, send)
        return
    gc.collect()
    body = json.dumps(
        {
            "tasks": Counter(task.get_coro().__qualname__ for task in asyncio.all_tasks()),  # type: ignore[union-attr]
            "threads": threading.active_count(),
            "rss_mb": psutil.Process().memory_info().rss / 1e6,
            "connections": len(psutil.Process().net_connections()),
        }
    ).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})

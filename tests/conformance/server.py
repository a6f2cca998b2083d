"""Our server as it is, with the suite's tools beside ours, for everybody: the suite shows no key."""

from __future__ import annotations

import asyncio
import os
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")

import django

django.setup()

from mcp.server import ServerRequestContext  # noqa: E402
from mcp.server.mcpserver import RequestStateSecurity  # noqa: E402
from mcp.shared.exceptions import MCPDeprecationWarning  # noqa: E402
from mcp.types import EmptyResult, SetLevelRequestParams  # noqa: E402

from mcp_server import access  # noqa: E402
from mcp_server.application import Endpoint  # noqa: E402
from mcp_server.server import ThunderServer  # noqa: E402
from tests.conformance import asking, contents  # noqa: E402

USER = "conformance"
# The suite asks back and logs in ways that the newer protocol has left behind.
warnings.filterwarnings("ignore", category=MCPDeprecationWarning)


async def _set_level(_ctx: ServerRequestContext[Any, Any], _params: SetLevelRequestParams) -> EmptyResult:
    return EmptyResult()


def make() -> ThunderServer:
    """The server."""
    server = ThunderServer(
        request_state_security=RequestStateSecurity(keys=[b"a key of the conformance fixture, long"])
    )
    contents.add(server)
    asking.add(server)
    server.low.add_request_handler("logging/setLevel", SetLevelRequestParams, _set_level)
    return server


_endpoint: Endpoint | None = None
_making = asyncio.Lock()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What the suite is pointed at."""
    global _endpoint
    async with _making:
        if _endpoint is None:
            who = await asyncio.to_thread(access.of_user, USER, door="http")
            _endpoint = Endpoint(make(), everybody=who)
    await _endpoint(scope, receive, send)

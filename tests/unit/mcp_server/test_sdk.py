"""The SDK is as `mcp_server.sdk` knows it, and nothing else of ours relies on what the SDK does not promise.

Where one of these fails after the SDK has changed, `mcp/mcp_server/sdk.py` is the place to look at.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mcp.server.connection import Connection
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.mcpserver import MCPServer
from mcp.server.session import ServerSession

import mcp_server
from mcp_server import sdk

FOLDER = Path(inspect.getfile(mcp_server)).parent


def test_what_is_private_is_touched_in_one_place() -> None:
    found = {}
    for path in FOLDER.rglob("*.py"):
        names = [
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__")
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        ]  # fmt: skip
        if names:
            found[path.name] = sorted(names)
    assert found == {"sdk.py": ["_connection", "_lowlevel_server"]}


def test_the_server_beneath_takes_handlers_and_runs() -> None:
    low = sdk.low(MCPServer("x"))
    assert isinstance(low, Server)
    assert {"method", "params_type", "handler"} <= set(inspect.signature(low.add_request_handler).parameters)
    assert list(inspect.signature(low.run).parameters)[:3] == [
        "read_stream", "write_stream", "initialization_options",
    ]  # fmt: skip


def test_the_handshake_tells_that_lists_change() -> None:
    low = sdk.low(MCPServer("x"))
    before = low.create_initialization_options().capabilities
    sdk.announce_changes(low)
    after = low.create_initialization_options().capabilities
    assert before.tools is not None and not before.tools.list_changed
    assert after.tools is not None and after.tools.list_changed
    assert after.resources is not None and after.resources.list_changed
    asked = low.create_initialization_options(NotificationOptions(tools_changed=False)).capabilities
    assert asked.tools is not None and not asked.tools.list_changed


def test_a_session_has_the_connection_that_is_told_of_changes() -> None:
    connection: Any = SimpleNamespace(protocol_version="2025-11-25")
    assert sdk.connection_of(ServerSession(connection, connection)) is connection
    for name in ("send_resource_updated", "send_resource_list_changed", "send_tool_list_changed"):
        assert inspect.iscoroutinefunction(getattr(Connection, name))


def test_what_is_attached_to_a_message_is_found() -> None:
    metadata = sdk.attached(who="ada")
    assert sdk.scope_of(SimpleNamespace(request=metadata.request_context)) == {"who": "ada"}
    assert sdk.scope_of(SimpleNamespace(request=None)) == {}

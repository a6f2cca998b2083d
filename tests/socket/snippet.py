"""The lines of an application that must run as they stand, in Node and in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LINES = """
const socket = new Socket("/socket", {params: {token}}); socket.connect()
const channel = socket.channel("zone:<uuid>", {agent_id})
channel.join().receive("ok", …).receive("error", …)
channel.on("agent_entered", …); channel.on("resource_changed", …); channel.on("environment_tick", …)
channel.push("agent_move", {position: {x: 10, y: 5, z: 0}}).receive("ok", …)
channel.push("consume_resource", {resource_type: "food", amount: 5}).receive("error", …)
"""
"""As documented. Each `…` is a callback."""

CALLBACKS = ("joined", "not joined", "agent_entered", "resource_changed", "environment_tick", "moved", "not consumed")
"""What each `…` is called, in their order."""


def source(zone_id: Any) -> str:
    """The lines for this zone, where each callback is a call of `heard(name)`."""
    names: Iterator[str] = iter(CALLBACKS)
    filled = "".join(f'heard("{next(names)}")' if each == "…" else each for each in LINES)
    assert next(names, None) is None
    return filled.replace("<uuid>", str(zone_id))

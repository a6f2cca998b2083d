"""What is told of the processes that serve sockets."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload

STREAM = "system"


class NodeChanged(Payload):
    """A web process came or went. `address` is where clients reach it."""

    node_id: UUID
    name: str
    address: str
    pid: int


class NodeJoined(NodeChanged):
    """It serves sockets: for the first time, or again after it was taken for dead."""

    topic: ClassVar[str] = "system.node_joined"


class NodeLeft(NodeChanged):
    """It said goodbye."""

    topic: ClassVar[str] = "system.node_left"


class NodeDied(NodeChanged):
    """It has been silent for too long."""

    topic: ClassVar[str] = "system.node_died"

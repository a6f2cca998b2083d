from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload

STREAM = "memory"


class Forgotten(Payload):
    """Memories were removed. What they said is told nowhere."""

    topic: ClassVar[str] = "memory.forgotten"

    agent_id: UUID
    memories: list[UUID]
    reason: str

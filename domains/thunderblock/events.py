from __future__ import annotations

from typing import ClassVar

from domains.thunderflow.payloads import Payload

STREAM = "system"


class DomainChanged(Payload):
    """A domain went from one state to another. `tick` is the heartbeat; `reason` is empty when all is well."""

    topic: ClassVar[str] = "system.*"

    domain: str
    was: str
    status: str
    tick: int
    reason: str = ""

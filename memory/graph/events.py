"""What the graph tells."""

from __future__ import annotations

from typing import ClassVar

from domains.thunderflow.payloads import Payload
from memory.events import STREAM

__all__ = ["STREAM", "EdgesFaded"]


class EdgesFaded(Payload):
    """Ties between memories became too weak and are gone; `faded` are weaker now and stay."""

    topic: ClassVar[str] = "memory.edges_faded"

    removed: int
    faded: int
    floor: float
    half_life_days: float

"""What the socket says on every topic, whoever it is about: a promise, kept in `tests/contracts/shapes.json`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NotRequired

from typing_extensions import TypedDict


class Refused(TypedDict):
    """`reason` is stable, `message` a sentence; `field`: of the payload, where it is about one."""

    reason: str
    message: str
    field: NotRequired[str]


class Batched(TypedDict):
    """An event in a batch. `at`: seconds since 1970."""

    event: str
    seq: int
    at: float
    payload: dict[str, Any]


class Batch(TypedDict):
    """What came at once, in order."""

    events: list[Batched]


class CaughtUp(TypedDict):
    """Everything up to `seq` has been sent."""

    seq: int


class DomainTick(TypedDict):
    """A heartbeat: its number, when it was, how long it took, and how many domains are active. `seq` is `count`."""

    seq: int
    count: int
    timestamp: str
    latency_ms: float
    active_domains: int


TOLD: Mapping[str, Any] = MappingProxyType(
    {"error": Refused, "batch": Batch, "caught_up": CaughtUp, "domain_tick": DomainTick}
)
"""By the event, or a reply's status."""

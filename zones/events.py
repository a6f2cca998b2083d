"""What worlds and zones tell."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload


class WorldChanged(Payload):
    """A world was created, paused, resumed, stepped, reset or deleted. `tick` is its clock."""

    topic: ClassVar[str] = "world.*.changed"

    name: str
    what: str
    tick: int
    detail: str = ""


class AgentEntered(Payload):
    """An agent came into a zone (born, moved or set there). `origin` is the zone it came from."""

    topic: ClassVar[str] = "zone.*.agent_entered"

    agent_id: UUID
    name: str
    session_count: int
    tick: int
    timestamp: datetime
    origin: UUID | None = None


class AgentLeft(Payload):
    """An agent left a zone. `destination` is the zone it went to; None when it was archived."""

    topic: ClassVar[str] = "zone.*.agent_left"

    agent_id: UUID
    name: str
    session_count: int
    tick: int
    timestamp: datetime
    destination: UUID | None = None


class ResourceChanged(Payload):
    """Net change of a zone's resources in one transaction, and what there is now."""

    topic: ClassVar[str] = "zone.*.resource_changed"

    changes: dict[str, float]
    new_resources: dict[str, float]
    tick: int
    timestamp: datetime


class EnvironmentTick(Payload):
    """The environment ticked. `happening` is one of the ten, or None."""

    topic: ClassVar[str] = "zone.*.environment_tick"

    properties: dict[str, float]
    resources: dict[str, float]
    entropy: float
    thermal: float
    happening: str | None
    narrative: str | None
    tick: int
    timestamp: datetime


class EnvironmentFailed(Payload):
    """An environment tick could not be done and is put off by its interval."""

    topic: ClassVar[str] = "zone.*.environment_failed"

    tick: int
    error: str


class ClimateChanged(Payload):
    """Entropy and warmth flowed between neighbours at the end of a world tick."""

    topic: ClassVar[str] = "zone.*.climate_changed"

    entropy: float
    thermal: float
    tick: int


class PermissionChanged(Payload):
    """The bits of a zone changed."""

    topic: ClassVar[str] = "zone.*.permission_changed"

    was: int
    permissions: int


class ZoneChanged(Payload):
    """A zone was made, or somebody changed its description or rules. `changes` has the new values by field."""

    topic: ClassVar[str] = "zone.*.changed"

    name: str
    what: str
    changes: dict[str, object] = {}


class NoticeWritten(Payload):
    """Somebody pinned up a notice."""

    topic: ClassVar[str] = "zone.*.notice_written"

    author: str
    text: str
    tick: int


class HostChanged(Payload):
    """Clients of a zone are sent to another node: its first, or one in place of one that is dead or left."""

    topic: ClassVar[str] = "zone.*.host_changed"

    was: UUID | None
    now: UUID
    address: str
    timestamp: datetime


def zone_topic(zone_id: UUID, verb: str) -> str:
    """`zone.<id>.<verb>`."""
    return f"zone.{zone_id}.{verb}"


def zone_stream(zone_id: UUID) -> str:
    """The stream that holds all that happens in a zone, in order."""
    return f"zone:{zone_id}"


def world_stream(world_id: UUID) -> str:
    """The stream of a world's own changes."""
    return f"world:{world_id}"

"""What agents tell."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload


class AgentTicked(Payload):
    """One tick of one agent, in its zone's stream. `x`, `y` are where it stands after it."""

    topic: ClassVar[str] = "zone.*.agent_ticked"

    agent_id: UUID
    name: str
    tick_number: int
    world_tick: int
    action: str
    narrative: str
    mood: float
    energy: float
    activity: str
    x: float
    y: float
    state_hash: str


class AgentChanged(Payload):
    """An agent's lifecycle, mods or place changed otherwise than by a tick. `what` names the change."""

    topic: ClassVar[str] = "agent.*.changed"

    agent_id: UUID
    name: str
    what: str
    was: str = ""
    now: str = ""
    reason: str = ""


class TickForced(Payload):
    """Somebody made an agent tick now: an input, whose place in the zone's stream is its place in a replay."""

    topic: ClassVar[str] = "zone.*.tick_forced"

    agent_id: UUID
    name: str
    world_tick: int


class TickFailed(Payload):
    """An agent's tick could not be done at all and is put off by its interval."""

    topic: ClassVar[str] = "zone.*.tick_failed"

    agent_id: UUID
    name: str
    world_tick: int
    error: str


class MoveRefused(Payload):
    """An agent was turned back: the place it set out for was full."""

    topic: ClassVar[str] = "zone.*.move_refused"

    agent_id: UUID
    name: str
    destination: UUID
    tick: int

"""What clients of a zone are answered, and what presence says of them: a promise, in `tests/contracts/shapes.json`.

What they push is typed in `agents.inputs`, what happens in `events.py` of each app.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from typing_extensions import TypedDict


class Spot(TypedDict):
    """Where an agent stands."""

    x: float
    y: float
    z: float


class ShownAgent(TypedDict):
    """An agent of a zone."""

    id: str
    name: str
    lifecycle: str
    activity: str
    mood: float
    energy: float
    position: Spot


class ShownWorld(TypedDict):
    """The world of a zone, and where its clock is."""

    id: str
    name: str
    tick: int


class ShownZone(TypedDict):
    """A zone as it is."""

    id: str
    name: str
    description: str
    world: ShownWorld
    host: str | None
    """Address of the node that serves it; none while no node lives."""
    capacity: int
    agent_count: int
    session_count: int
    permissions: list[str]
    closed: bool
    properties: dict[str, float]
    resources: dict[str, float]
    entropy: float
    thermal: float
    rules: dict[str, Any]
    agents: list[ShownAgent]


class Meta(TypedDict):
    """What presence says of a session. `joined_at`: ISO 8601."""

    joined_at: str
    kind: Literal["agent", "user"]
    user: str
    activity: str
    position: Spot | None


class Joined(TypedDict):
    """`seq`: from which number on events come. `resync`: what was missed is not made up for, but in the state."""

    seq: int
    resync: bool
    zone: ShownZone


class Looked(TypedDict):
    """The zone at that number of its stream."""

    seq: int
    zone: ShownZone


class Done(TypedDict):
    """`seq`: the place of the event in the zone's stream."""

    seq: int


class Moved(Done):
    """Where the agent is now."""

    position: Spot


class Interacted(Done):
    """With whom, and how."""

    target_id: str
    kind: str


class Consumed(Done):
    """What was taken, what is left of it, and the energy that the agent gained."""

    resource_type: str
    amount: float
    remaining: float
    energy: float


class MadeKnown(Done):
    """Under which name."""

    event: str


ANSWERS: Mapping[str, Any] = MappingProxyType(
    {
        "phx_join": Joined,
        "get_zone_state": Looked,
        "agent_move": Moved,
        "agent_interact": Interacted,
        "consume_resource": Consumed,
        "say": Done,
        "broadcast": MadeKnown,
    }
)
"""By the event that a client pushes."""

"""Zones in memory, for what is pure."""

from typing import Any
from uuid import UUID

from zones.models import RESOURCES
from zones.state import ZoneState


def zone_state(**fields: Any) -> ZoneState:
    """A zone in the middle of its ranges; `fields` replace what matters to a test."""
    usual: dict[str, Any] = {
        "id": UUID(int=1),
        "world_id": UUID(int=2),
        "world_name": "Testworld",
        "seed": 1,
        "tick": 30,
        "ordinal": 0,
        "name": "Meadow",
        "capacity": 100,
        "agent_count": 0,
        "movement_cost": 3.0,
        "interaction_range": 30.0,
        "regeneration": {},
        "environment_interval": 30,
        "environment_due": 30,
        "properties": {"temperature": 20.0, "humidity": 0.5, "light": 0.7, "noise": 0.2},
        "resources": dict.fromkeys(RESOURCES, 50.0),
        "entropy": 0.2,
        "thermal": 0.0,
        "diffusing": False,
        "happenings": [],
    }
    return ZoneState(**{**usual, **fields})

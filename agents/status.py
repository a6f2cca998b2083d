"""A world at a glance: its clock, its zones, who lives there, how busy it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from agents import queries
from domains import sql
from zones import queries as zones

WINDOW = timedelta(minutes=1)

# Ids are UUIDv7: the BRIN index on them finds the latest minute for next to nothing; the instant picks the leaf.
TICKS = """
SELECT count(*) FROM tick_logs t JOIN pac_agents a ON a.id = t.agent_id
WHERE a.world_id = %s AND t.inserted_at >= %s AND t.id >= %s
"""


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """One zone. Resources are 0–100, entropy 0–1, thermal −1…1."""

    name: str
    agents: int
    capacity: int
    resources: dict[str, float]
    entropy: float
    thermal: float


@dataclass(frozen=True, slots=True)
class WorldStatus:
    """One world. `ticks_last_minute` counts ticks of agents."""

    name: str
    status: str
    access: str
    owner: str | None
    seed: int
    rate: float
    tick: int
    target_tick: int
    agents: dict[str, int]
    """How many are in each state of their lives."""
    ticks_last_minute: int
    zones: list[ZoneStatus]


def of(world: Any, *, now: datetime) -> WorldStatus:
    """How a world is. Four queries."""
    return WorldStatus(
        name=world.name,
        status=world.status,
        access=world.access,
        owner=str(world.owner) if world.owner_id else None,
        seed=world.seed,
        rate=world.rate,
        tick=world.tick,
        target_tick=world.target_tick,
        agents=queries.count_by_lifecycle(world.pk),
        ticks_last_minute=ticks_since(world.pk, now - WINDOW),
        zones=[
            ZoneStatus(
                name=zone.name,
                agents=zone.agent_count,
                capacity=zone.capacity,
                resources=zone.resources,
                entropy=zone.entropy,
                thermal=zone.thermal,
            )
            for zone in zones.zones(world.pk)
        ],
    )


def ticks_since(world_id: UUID, instant: datetime) -> int:
    """How many ticks a world's agents have had since an aware instant, some minutes ago at most."""
    first = UUID(int=int(instant.timestamp() * 1000) << 80)
    return int(sql.fetch_rows(TICKS, [world_id, instant, first])[0][0])

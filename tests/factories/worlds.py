from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents import actions
from agents.engine import loop
from agents.specs import AgentSpec
from zones.actions import places, worlds


def make_world(
    name: str = "Harbour",
    *,
    zones: int = 2,
    agents: int = 4,
    tick_interval: int = 1,
    spec: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Any:
    """A paused world with `agents` agents dealt to `zones` zones that lie in a ring; `spec` holds for every agent.

    Zones are called Zone 0, …; agents Agent 0, …; agent i stands in zone i modulo the number of zones.
    """
    world = worlds.create(name=name, **{"seed": 7, "status": "paused", **fields})
    with transaction.atomic():
        made = places.create_many(world, [{"name": f"Zone {i}", "capacity": agents + 10} for i in range(zones)])
        if zones > 1:
            ring = [(made[i].pk, made[(i + 1) % zones].pk, 0.5) for i in range(zones)]
            places.connect(ring if zones > 2 else ring[:1])
    if agents:
        wanted = [
            (made[i % zones].pk, AgentSpec(**{"name": f"Agent {i}", "tick_interval": tick_interval, **(spec or {})}))
            for i in range(agents)
        ]
        actions.create_many(wanted, world_id=world.pk, by="tests")
    return world


def run_ticks(world: Any, ticks: int = 2) -> int:
    """Let a world go on by some ticks, here and now. Returns how many agent ticks that were."""
    worlds.step(world.pk, ticks=ticks)
    return loop.run(seconds=30, world_id=world.pk).ticks

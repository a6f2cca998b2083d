"""A zone as it is at one number of its stream."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from agents.channels.shapes import ShownAgent, ShownZone
from domains import sql
from zones import assignment, queries

MOST_SHOWN = 500
"""Agents in a snapshot."""

HEAD = "SELECT coalesce((SELECT seq FROM event_streams WHERE name = %s), 0)"
PRESENT = """
SELECT id, name, lifecycle, activity, mood, energy, x, y, z FROM pac_agents
WHERE zone_id = %s AND lifecycle <> 'archived' ORDER BY ordinal LIMIT %s
"""


def take(zone_id: UUID) -> tuple[ShownZone, int]:
    """The zone with who is in it, and the number of the last event that this has in it. Four queries of one moment,
    after its node was asked for. Raises: NotFound."""
    host = assignment.advise(zone_id)
    with transaction.atomic():
        sql.raw().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        seq = int(sql.fetch_rows(HEAD, [f"zone:{zone_id}"])[0][0])
        zone = queries.with_world(zone_id)
        rows = sql.fetch_rows(PRESENT, [zone_id, MOST_SHOWN])
    return _shown(zone, host, [_agent(*row) for row in rows]), seq


def _shown(zone: Any, host: str | None, agents: list[ShownAgent]) -> ShownZone:
    return {
        "id": str(zone.pk),
        "name": zone.name,
        "description": zone.description,
        "world": {"id": str(zone.world_id), "name": zone.world.name, "tick": zone.world.tick},
        "host": host,
        "capacity": zone.capacity,
        "agent_count": zone.agent_count,
        "session_count": zone.active_session_count,
        "permissions": queries.permission_names(zone.permissions),
        "closed": zone.closed,
        "properties": zone.properties,
        "resources": zone.resources,
        "entropy": zone.entropy,
        "thermal": zone.thermal,
        "rules": zone.rules,
        "agents": agents,
    }


def _agent(
    id: UUID, name: str, lifecycle: str, activity: str, mood: float, energy: float, x: float, y: float, z: float
) -> ShownAgent:  # fmt: skip
    return {
        "id": str(id), "name": name, "lifecycle": lifecycle, "activity": activity, "mood": mood, "energy": energy,
        "position": {"x": x, "y": y, "z": z},
    }  # fmt: skip

"""The latest narratives, of what a user may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents import queries as agents
from zones import queries as zones

LOOKED_THROUGH = 600
"""Narratives looked through for those of the worlds that somebody may see, when it is not all of them."""


@dataclass(frozen=True, slots=True)
class Story:
    """A narrative with the name of its zone."""

    told: agents.Narrative
    zone: str


def stories(user: Any, *, zone_id: UUID | None = None, world_id: UUID | None = None, limit: int) -> list[Story]:
    """Newest first, of all that a user may see, of a zone or of a world. Three queries."""
    all_of_it = zone_id is not None or (user.is_superuser and world_id is None)  # a zone's are seen all or none
    told = agents.narratives(zone_id=zone_id, limit=limit if all_of_it else LOOKED_THROUGH)
    names = zones.names({one.zone_id for one in told}, user=user, world_id=world_id)
    return [Story(one, names[one.zone_id]) for one in told if one.zone_id in names][:limit]

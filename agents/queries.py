"""Reads of agents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from agents.errors import NotFound
from agents.models import Agent, Lifecycle, Mod, TickLog


def find(name_or_id: str, *, world: str | None = None) -> Agent:
    """One agent by id, or by name (in one world, when the name is found in several). Raises: NotFound."""
    rows = Agent.objects.select_related("world", "zone").defer("world__source")
    try:
        rows = rows.filter(pk=UUID(name_or_id))
    except ValueError:
        rows = rows.filter(name=name_or_id)
    if world:
        rows = rows.filter(world__name=world)
    found = list(rows[:2])
    if not found:
        raise NotFound(f"there is no agent {name_or_id!r}" + (f" in {world}" if world else ""))
    if len(found) > 1:
        raise NotFound(f"several worlds have an agent {name_or_id!r}: name the world")
    return found[0]


def agents(
    *, world_id: UUID | None = None, zone_id: UUID | None = None, lifecycle: str | None = None
) -> QuerySet[Agent]:
    """Agents with their world and zone, by name."""
    filters: dict[str, Any] = {"world_id": world_id, "zone_id": zone_id, "lifecycle": lifecycle}
    given = {key: value for key, value in filters.items() if value is not None}
    rows = Agent.objects.filter(**given).select_related("world", "zone").defer("world__source")
    return rows.order_by("name")


def mods(agent_id: UUID) -> list[Mod]:
    """An agent's mods in force, by name."""
    return list(Mod.objects.filter(agent_id=agent_id, active=True).order_by("name"))


def ticks(agent_id: UUID, *, limit: int = 50, before: int | None = None) -> list[TickLog]:
    """An agent's tick logs, newest first, of ticks below `before` when it is given."""
    rows = TickLog.objects.filter(agent_id=agent_id)
    if before is not None:
        rows = rows.filter(tick_number__lt=before)
    return list(rows.order_by("-tick_number")[:limit])


def count_by_lifecycle(world_id: UUID | None = None) -> dict[str, int]:
    """How many agents are in each state."""
    rows = Agent.objects.filter(world_id=world_id) if world_id else Agent.objects.all()
    counts = dict(rows.values_list("lifecycle").annotate(n=Count("pk")).order_by())
    return {state: counts.get(state, 0) for state in Lifecycle.values}

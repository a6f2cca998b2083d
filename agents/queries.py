"""Reads of agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from agents.errors import NotFound
from agents.models import Agent, Lifecycle, Mod, TickLog
from domains import sql
from domains.thunderflow import queries as thunderflow
from zones import queries as zones
from zones.actions import places
from zones.events import zone_topic


def find(name_or_id: str, *, world: str | None = None, world_id: UUID | None = None) -> Agent:
    """One agent by id, or by name (in one world, when the name is found in several). Raises: NotFound."""
    rows = Agent.objects.select_related("world", "zone")
    try:
        rows = rows.filter(pk=UUID(name_or_id))
    except ValueError:
        rows = rows.filter(name=name_or_id)
    if world:
        rows = rows.filter(world__name=world)
    if world_id:
        rows = rows.filter(world_id=world_id)
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
    rows = Agent.objects.filter(**given).select_related("world", "zone")
    return rows.order_by("name")


def names(*, world: str | None = None) -> list[str]:
    """Names of all agents, of one world or of all, each once, sorted."""
    rows = Agent.objects.filter(world__name=world) if world else Agent.objects.all()
    return list(rows.order_by("name").values_list("name", flat=True).distinct())


def mods(agent_id: UUID) -> list[Mod]:
    """An agent's mods in force, by name."""
    return list(Mod.objects.filter(agent_id=agent_id, active=True).order_by("name"))


def ticks(agent_id: UUID, *, limit: int = 50, before: int | None = None) -> list[TickLog]:
    """An agent's tick logs, newest first, of ticks below `before` when it is given."""
    rows = TickLog.objects.filter(agent_id=agent_id)
    if before is not None:
        rows = rows.filter(tick_number__lt=before)
    return list(rows.order_by("-tick_number")[:limit])


def world_of(agent_id: UUID) -> UUID:
    """The id of an agent's world."""
    return Agent.objects.values_list("world_id", flat=True).get(pk=agent_id)


def tick_number(agent_id: UUID) -> int:
    """How many ticks an agent has had."""
    return Agent.objects.values_list("tick_number", flat=True).get(pk=agent_id)


def count_by_lifecycle(world_id: UUID | None = None) -> dict[str, int]:
    """How many agents are in each state."""
    rows = Agent.objects.filter(world_id=world_id) if world_id else Agent.objects.all()
    counts = dict(rows.values_list("lifecycle").annotate(n=Count("pk")).order_by())
    return {state: counts.get(state, 0) for state in Lifecycle.values}


# --- For pages -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a list shows of an agent."""

    id: UUID
    name: str
    lifecycle: str
    activity: str
    mood: float
    energy: float


@dataclass(frozen=True, slots=True)
class Narrative:
    """What was told of one tick. `at` is aware UTC."""

    position: int
    at: datetime
    zone_id: UUID
    agent_id: UUID
    name: str
    action: str
    text: str
    mood: float


# By the index on (zone, ordinal): the cost is that of what is shown, however many stand in a zone.
FIRST_IN_ZONES = """
SELECT a.zone_id, a.id, a.name, a.lifecycle, a.activity, a.mood, a.energy
FROM unnest(%s::uuid[]) AS wanted (id), LATERAL (
    SELECT * FROM pac_agents WHERE zone_id = wanted.id AND lifecycle <> 'archived' ORDER BY ordinal LIMIT %s
) a
ORDER BY a.zone_id, a.ordinal
"""


def first_in_zones(zone_ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Glimpse]]:
    """The first agents of each zone by ordinal, at most `limit` each, without archived ones. One query."""
    found: dict[UUID, list[Glimpse]] = {zone_id: [] for zone_id in zone_ids}
    for zone_id, *fields in sql.fetch_rows(FIRST_IN_ZONES, [list(zone_ids), limit]):
        found[zone_id].append(Glimpse(*fields))
    return found


def in_zone(zone_id: UUID, part_of_name: str = "") -> QuerySet[Agent]:
    """Agents that stand in a zone, by name, without their long fields."""
    rows = Agent.objects.filter(zone_id=zone_id).exclude(lifecycle=Lifecycle.ARCHIVED)
    if part_of_name:
        rows = rows.filter(name__icontains=part_of_name)
    return rows.only("name", "lifecycle", "activity", "mood", "energy").order_by("name")


def visible(agent_id: UUID, user: Any) -> Agent | None:
    """An agent of a world that the user may see, with zone, home and world; else None."""
    rows = Agent.objects.select_related("world", "zone__world", "home_zone").defer(
        "working_memory", "zone__happenings", "home_zone__happenings"
    )
    return rows.filter(pk=agent_id, world__in=zones.worlds(user)).first()


def may_steer(agent: Agent, user: Any) -> bool:
    """Whether a user may suspend, wake and force an agent: who may modify its zone."""
    return places.has_permission(agent.zone, user, places.Permission.MODIFY_ZONE)


def narratives(*, zone_id: UUID | None = None, limit: int = 30) -> list[Narrative]:
    """The newest narratives, newest first, of all zones or of one. Two queries."""
    pattern = zone_topic(zone_id, "agent_ticked") if zone_id else "zone.*.agent_ticked"
    found = thunderflow.latest(pattern=pattern, limit=limit, within=20_000 if zone_id else 5000)
    return [
        Narrative(
            position=event.position,
            at=event.at,
            zone_id=UUID(event.stream.removeprefix("zone:")),
            agent_id=UUID(event.payload["agent_id"]),
            name=event.payload["name"],
            action=event.payload["action"],
            text=event.payload["narrative"],
            mood=event.payload["mood"],
        )
        for event in found
    ]

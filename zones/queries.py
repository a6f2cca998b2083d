"""Reads of worlds and zones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from zones.errors import NotFound
from zones.models import Neighbour, Notice, Permission, World, WorldSource, Zone


def world(name: str) -> World:
    """Raises: NotFound."""
    try:
        return World.objects.get(name=name)
    except World.DoesNotExist:
        names = ", ".join(World.objects.values_list("name", flat=True)[:10]) or "none yet"
        raise NotFound(f"there is no world called {name!r} (there is: {names})") from None


def source(world_id: UUID) -> dict[str, Any]:
    """The world file that a world was loaded from; empty when it was made by hand. Megabytes, for large worlds."""
    return WorldSource.objects.filter(world_id=world_id).values_list("content", flat=True).first() or {}


def worlds(user: Any = None) -> QuerySet[World]:
    """Worlds that a user may see, by name, all of them when no user is given."""
    rows = World.objects.all()
    if user is None or user.is_superuser:
        return rows
    seen = Q(access=World.Access.OPEN) | Q(owner=user) | Q(access=World.Access.SHARED, members=user)
    return rows.filter(seen).distinct()


def zone(world_id: UUID, name: str) -> Zone:
    """Raises: NotFound."""
    try:
        return Zone.objects.select_related("world").get(world_id=world_id, name=name)
    except Zone.DoesNotExist:
        raise NotFound(f"there is no zone called {name!r} in this world") from None


def zones(world_id: UUID) -> QuerySet[Zone]:
    """A world's zones in their order."""
    return Zone.objects.filter(world_id=world_id).order_by("ordinal")


def ways(world_id: UUID) -> list[tuple[UUID, UUID, float]]:
    """All ways of a world as (zone, other, permeability), both directions."""
    rows = Neighbour.objects.filter(zone__world_id=world_id).order_by("zone__ordinal", "other__ordinal")
    return list(rows.values_list("zone_id", "other_id", "permeability"))


def permission_bits(names: Iterable[str]) -> int:
    """The bits of permissions by their names in small letters: `spawn_agents`, …"""
    return sum(Permission[name.upper()] for name in set(names))


def permission_names(bits: int) -> list[str]:
    """The names of the permissions that are granted, in the order of their bits."""
    return [permission.name.lower() for permission in Permission if bits & permission]


def notices(zone_id: UUID, limit: int = 5) -> list[Notice]:
    """The newest notices of a zone, newest first."""
    return list(Notice.objects.filter(zone_id=zone_id).order_by("-world_tick", "-inserted_at", "-id")[:limit])


def population(world_id: UUID) -> int:
    """How many agents stand in the zones of a world."""
    return Zone.objects.filter(world_id=world_id).aggregate(n=Sum("agent_count"))["n"] or 0


def lagging() -> list[dict[str, Any]]:
    """Running worlds whose clock is behind what it may reach: `name`, `tick`, `target_tick`."""
    rows = World.objects.filter(status=World.Status.RUNNING).extra(where=["tick < target_tick"])
    return list(rows.values("name", "tick", "target_tick"))


# --- For pages -----------------------------------------------------------------------------------------------


def first_zones(world_ids: Sequence[UUID], *, limit: int) -> tuple[list[Zone], dict[UUID, tuple[int, int]]]:
    """The first zones of some worlds in their order, at most `limit` in all, without what happened in them.

    Also, by world, how many zones it has and how many agents stand in them. Two queries.
    """
    rows = Zone.objects.filter(world_id__in=world_ids)
    counts = rows.order_by().values_list("world_id").annotate(n=Count("pk"), people=Sum("agent_count"))
    shown = rows.defer("happenings", "regeneration").order_by("ordinal", "world_id")[:limit]
    return list(shown), {world_id: (n, people) for world_id, n, people in counts}


def visible_zone(zone_id: UUID, user: Any) -> Zone | None:
    """A zone of a world that the user may see, with its world; else None."""
    rows = Zone.objects.select_related("world").defer("happenings")
    return rows.filter(pk=zone_id, world__in=worlds(user)).first()


def names(zone_ids: Collection[UUID], *, user: Any) -> dict[UUID, str]:
    """Names of those of these zones that the user may see."""
    rows = Zone.objects.filter(pk__in=zone_ids, world__in=worlds(user))
    return dict(rows.values_list("pk", "name"))


def neighbours(zone_id: UUID) -> list[Neighbour]:
    """The ways out of a zone with the zones they lead to, in the world's order."""
    rows = Neighbour.objects.filter(zone_id=zone_id).select_related("other")
    return list(rows.defer("other__happenings").order_by("other__ordinal"))


def clocks() -> list[tuple[str, int, int]]:
    """Each world's name, tick and target tick, by name."""
    return list(World.objects.order_by("name").values_list("name", "tick", "target_tick"))

"""Reads of worlds and zones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Q, QuerySet, Sum, When
from django.db.models.functions import Length

from domains import sql
from zones import visibility
from zones.errors import NotFound
from zones.events import zone_stream, zone_topic
from zones.models import Neighbour, Notice, Permission, World, WorldSource, Zone
from zones.state import Happening, unpack


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
    return World.objects.all() if user is None else visibility.worlds(user)


def zone(world_id: UUID, name: str) -> Zone:
    """Raises: NotFound."""
    try:
        return Zone.objects.select_related("world").get(world_id=world_id, name=name)
    except Zone.DoesNotExist:
        raise NotFound(f"there is no zone called {name!r} in this world") from None


def zones(world_id: UUID) -> QuerySet[Zone]:
    """A world's zones in their order."""
    return Zone.objects.filter(world_id=world_id).order_by("ordinal")


def named(world_id: UUID, *, limit: int) -> list[tuple[UUID, str]]:
    """The first zones of a world in their order, by id and name. One query."""
    return list(Zone.objects.filter(world_id=world_id).order_by("ordinal").values_list("pk", "name")[:limit])


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


def happenings(zone_id: UUID, limit: int = 10) -> list[Happening]:
    """What those in a zone could notice lately, newest first. One query."""
    kept = Zone.objects.filter(pk=zone_id).values_list("happenings", flat=True).first() or []
    return unpack(kept)[::-1][:limit]


def population(world_id: UUID) -> int:
    """How many agents stand in the zones of a world."""
    return Zone.objects.filter(world_id=world_id).aggregate(n=Sum("agent_count"))["n"] or 0


def lagging() -> list[dict[str, Any]]:
    """Running worlds whose clock is behind what it may reach: `name`, `tick`, `target_tick`."""
    rows = World.objects.filter(status=World.Status.RUNNING).extra(where=["tick < target_tick"])
    return list(rows.values("name", "tick", "target_tick"))


ACTIVITY = """
SELECT date_bin(make_interval(mins => %(minutes)s), at, 'epoch') AS since, split_part(topic, '.', 3) AS verb, count(*)
FROM (SELECT at, topic FROM events WHERE stream = %(stream)s ORDER BY seq DESC LIMIT %(most)s) latest
WHERE topic LIKE 'zone.%%' AND at > now() - make_interval(mins => %(spans)s * %(minutes)s)
GROUP BY 1, 2 ORDER BY 1, 2
"""


def activity(zone_id: UUID, *, minutes: int = 5, spans: int = 12, most: int = 20_000) -> dict[datetime, dict[str, int]]:
    """Events of a zone by type, in the latest spans of so many minutes; of the latest `most` events only."""
    found: dict[datetime, dict[str, int]] = {}
    values = {"minutes": minutes, "spans": spans, "stream": zone_stream(zone_id), "most": most}
    for since, verb, count in sql.fetch_rows(ACTIVITY, values):
        found.setdefault(since, {})[verb] = count
    return found


# Thinned to every so many-th, the newest among them; only what is shown is read whole.
RESOURCES_TOLD = """
SELECT at, resources FROM (
    SELECT at, seq, coalesce(payload->'new_resources', payload->'resources') AS resources,
           row_number() OVER newest AS place, count(*) OVER () AS told
    FROM (SELECT seq, at, topic, payload FROM events WHERE stream = %(stream)s ORDER BY seq DESC LIMIT %(most)s) latest
    WHERE topic = ANY(%(topics)s) WINDOW newest AS (ORDER BY seq DESC)
) changes
WHERE (place - 1) %% greatest(1, told / %(points)s) = 0 ORDER BY seq
"""


def resource_series(zone_id: UUID, *, points: int, most: int = 10_000) -> list[tuple[datetime, dict[str, float]]]:
    """What a zone had of each resource and when, oldest first, about `points` of them, fewer than twice as many.

    From its latest `most` events, so that it costs the same however long its history is. One query.
    """
    topics = [zone_topic(zone_id, verb) for verb in ("resource_changed", "environment_tick")]
    values = {"stream": zone_stream(zone_id), "topics": topics, "most": most, "points": points}
    return [(at, resources) for at, resources in sql.fetch_rows(RESOURCES_TOLD, values)]


# --- For pages -----------------------------------------------------------------------------------------------


def sizes(world_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """By world how many zones it has, if any, and how many agents stand in them. One query."""
    rows = Zone.objects.filter(world_id__in=world_ids).order_by()
    counts = rows.values_list("world_id").annotate(n=Count("pk"), people=Sum("agent_count"))
    return {world_id: (n, people) for world_id, n, people in counts}


def first_zones(world_id: UUID, *, limit: int) -> list[Zone]:
    """The first zones of a world in their order, at most `limit`, without what happened in them. One query."""
    rows = Zone.objects.filter(world_id=world_id).defer("happenings", "regeneration")
    return list(rows.order_by("ordinal")[:limit])


def visible_zone(zone_id: UUID, user: Any) -> Zone | None:
    """A zone of a world that the user may see, with its world; else None."""
    rows = Zone.objects.select_related("world").defer("happenings")
    return rows.filter(pk=zone_id, world__in=worlds(user)).first()


def page_of_zones(
    user: Any, *, world_id: UUID | None = None, after: tuple[UUID, int] | None = None, limit: int
) -> list[Zone]:
    """Zones of worlds that the user may see by (world, ordinal), at most `limit`, those behind `after`. One query.

    Without what happened in them. Goes along the index, however many there are.
    """
    rows = Zone.objects.defer("happenings").order_by("world_id", "ordinal")
    if not sees_all(user):
        rows = rows.filter(world__in=worlds(user))
    if world_id is not None:
        rows = rows.filter(world_id=world_id)
    if after is not None:
        rows = rows.extra(where=["(pac_zones.world_id, pac_zones.ordinal) > (%s, %s)"], params=after)
    return list(rows[:limit])


def sees_all(user: Any) -> bool:
    """Whether a user may see every world."""
    return bool(user.is_superuser)


def visible_world(name_or_id: str, user: Any) -> World | None:
    """A world that the user may see, by id or name; else None."""
    rows, id_ = worlds(user), as_id(name_or_id)
    return (rows.filter(pk=id_) if id_ else rows.filter(name=name_or_id)).first()


def called(text: str, user: Any, *, limit: int) -> list[Zone]:
    """Zones that a user may see whose name has this in it, or whose id it is, with their worlds, best first.

    One query.
    """
    rows = Zone.objects.select_related("world").filter(world__in=worlds(user))
    return list(_best(rows, text).only("name", "agent_count", "closed", "world__name")[:limit])


def worlds_called(text: str, user: Any, *, limit: int) -> list[World]:
    """Worlds that a user may see whose name has this in it, or whose id it is, best first. One query."""
    return list(_best(worlds(user), text)[:limit])


def _best(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Whose name this is, then those that begin so, then the others; the shorter first."""
    how = Case(When(name__iexact=text, then=0), When(name__istartswith=text, then=1), default=2)
    id_ = as_id(text)
    found = rows.filter(Q(name__icontains=text) | Q(pk=id_)) if id_ else rows.filter(name__icontains=text)
    return found.order_by(how, Length("name"), "name", "pk")


def visible_zones(user: Any, *, name_or_id: str | None = None, world_id: UUID | None = None) -> QuerySet[Zone]:
    """Zones of worlds that the user may see, with their worlds, by world and in order; those of a name or an id."""
    rows = Zone.objects.select_related("world").defer("happenings").filter(world__in=worlds(user))
    if world_id is not None:
        rows = rows.filter(world_id=world_id)
    if name_or_id is not None:
        id_ = as_id(name_or_id)
        rows = rows.filter(pk=id_) if id_ else rows.filter(name=name_or_id)
    return rows.order_by("world__name", "ordinal")


def as_id(text: str) -> UUID | None:
    """The id that a text is, or None: then it is a name."""
    try:
        return UUID(text)
    except ValueError:
        return None


def exists(zone_id: UUID) -> bool:
    """Whether there is such a zone, whoever may see it."""
    return Zone.objects.filter(pk=zone_id).exists()


def visible_zone_ids(user: Any, *, world_id: UUID | None = None, zone_id: UUID | None = None) -> list[UUID]:
    """Zones of worlds that the user may see: all, those of a world, or the one."""
    rows = Zone.objects.filter(world__in=worlds(user)).order_by("pk")
    if world_id is not None:
        rows = rows.filter(world_id=world_id)
    if zone_id is not None:
        rows = rows.filter(pk=zone_id)
    return list(rows.values_list("pk", flat=True))


def worlds_of(zone_ids: Iterable[UUID]) -> dict[UUID, World]:
    """By zone its world, one object for each world. Two queries."""
    found = dict(Zone.objects.filter(pk__in=set(zone_ids)).values_list("pk", "world_id"))
    worlds = World.objects.in_bulk(set(found.values()))
    return {zone_id: worlds[world_id] for zone_id, world_id in found.items() if world_id in worlds}


def visible_worlds_of(zone_ids: Iterable[UUID], user: Any) -> dict[UUID, UUID]:
    """By zone its world, of those zones that the user may see. One query."""
    rows = Zone.objects.filter(pk__in=set(zone_ids), world__in=worlds(user))
    return dict(rows.values_list("pk", "world_id"))


def with_world(zone_id: UUID) -> Zone:
    """A zone that there is, with its world, without what happened in it. Raises: NotFound."""
    found = Zone.objects.select_related("world").defer("happenings").filter(pk=zone_id).first()
    if found is None:
        raise NotFound(f"there is no zone {zone_id}")
    return found


def names(zone_ids: Collection[UUID], *, user: Any, world_id: UUID | None = None) -> dict[UUID, str]:
    """Names of those of these zones that the user may see, of one world if it is named."""
    rows = Zone.objects.filter(pk__in=zone_ids, world__in=worlds(user))
    if world_id is not None:
        rows = rows.filter(world_id=world_id)
    return dict(rows.values_list("pk", "name"))


def neighbours(zone_id: UUID) -> list[Neighbour]:
    """The ways out of a zone with the zones they lead to, in the world's order."""
    rows = Neighbour.objects.filter(zone_id=zone_id).select_related("other")
    return list(rows.defer("other__happenings").order_by("other__ordinal"))


def clocks() -> list[tuple[str, int, int]]:
    """Each world's name, tick and target tick, by name."""
    return list(World.objects.order_by("name").values_list("name", "tick", "target_tick"))


def ids_of_world(world_id: UUID) -> list[UUID]:
    """The ids of all zones of a world, in order. One query."""
    return list(Zone.objects.filter(world_id=world_id).order_by("ordinal").values_list("pk", flat=True))


def owned_by_any_of(world_id: UUID, groups: Collection[int]) -> bool:
    """Whether a world's owner is in one of these groups, or an operator; a world of nobody's is not. One query."""
    owner = Q(owner__groups__in=list(groups)) | Q(owner__is_superuser=True)
    return World.objects.filter(owner, pk=world_id).exists()

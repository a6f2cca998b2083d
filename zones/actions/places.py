"""Writes to zones: making them, their permissions, their notices, who counts as present."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Least

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish, publish_many
from zones import events, visibility
from zones.actions import worlds
from zones.errors import AccessDenied, Invalid, NotFound, ZoneFull
from zones.models import RESOURCES, Neighbour, Permission, World, Zone


def create_many(world: World, specs: Sequence[Mapping[str, Any]]) -> list[Zone]:
    """Make zones from dicts of `Zone` fields, in this order after those that are there. Needs an open transaction."""
    last = Zone.objects.filter(world=world).aggregate(last=Max("ordinal"))["last"]
    first = 0 if last is None else last + 1
    zones = Zone.objects.bulk_create([_new(world, first + i, spec) for i, spec in enumerate(specs)])
    publish_many([_changed(zone, "created", {}) for zone in zones])
    return zones


def found(
    world: World, spec: Mapping[str, Any], *, user: Any, neighbours: Collection[UUID] = (), permeability: float = 1.0
) -> Zone:
    """Make one zone for a person who governs the world, with ways to these zones of it, in both directions.

    Locks the world and its zones. Needs an open transaction. Raises: AccessDenied, NotFound, Invalid (a name taken,
    a neighbour of another world).
    """
    if not worlds.governs(world, user):
        raise AccessDenied(f"only the owner of {world.name} and operators may make zones in it")
    locked = worlds.lock(world.name)  # of two who make one at once, the second sees the first one's place in the order
    if locked is None or locked.pk != world.pk:
        raise Invalid("world: somebody renamed it just now; try again")
    if Zone.objects.filter(world=world, name=spec["name"]).exists():
        raise Invalid(f"name: {world.name} has a zone {spec['name']!r} already; take another name")
    check_regeneration(spec.get("regeneration", {}))
    (made,) = create_many(locked, [spec])
    connect([(made.pk, other_id, permeability) for other_id in dict.fromkeys(neighbours)])
    return made


def _new(world: World, ordinal: int, spec: Mapping[str, Any]) -> Zone:
    worlds.check_name(spec["name"])
    return Zone(
        world=world,
        ordinal=ordinal,
        owner_id=world.owner_id,
        due_tick=world.tick + 1,
        environment_due=world.tick + spec.get("environment_interval", 30),
        **spec,
    )


def connect(ways: Iterable[tuple[UUID, UUID, float]]) -> None:
    """Make or change ways between zones, (one, other, permeability), each in both directions; as `set_ways`."""
    set_ways([(a, b, p) for one, other, p in ways for a, b in ((one, other), (other, one))])


def set_ways(ways: Iterable[tuple[UUID, UUID, float]]) -> None:
    """Make or change ways, (from, to, permeability), each in this direction only: give both.

    Each zone tells its event. Needs an open transaction. Raises: NotFound, Invalid (zones of two worlds).
    """
    ways = list(ways)
    zones = lock_many(zone_id for way in ways for zone_id in way[:2])
    if any(zones[one].world_id != zones[other].world_id for one, other, _ in ways):
        raise Invalid("neighbours: a way leads from a zone to another of the same world")
    rows = [Neighbour(zone_id=one, other_id=other, permeability=p) for one, other, p in ways]
    Neighbour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["zone", "other"],
        update_fields=["permeability", "updated_at"],
    )
    publish_many(
        [
            _changed(zones[one], "ways_changed", {"to": zones[other].name, "permeability": permeability})
            for one, other, permeability in ways
        ]
    )


def cut_ways(ways: Iterable[tuple[UUID, UUID]]) -> None:
    """Take ways out, (from, to), each in this direction only."""
    pairs = list(ways)
    found = Neighbour.objects.filter(zone_id__in={one for one, _ in pairs}, other_id__in={other for _, other in pairs})
    wanted = set(pairs)
    doomed = [way.pk for way in found if (way.zone_id, way.other_id) in wanted]
    zones = lock_many({zone_id for pair in pairs for zone_id in pair})
    Neighbour.objects.filter(pk__in=doomed).delete()
    publish_many([_changed(zones[one], "way_cut", {"to": zones[other].name}) for one, other in pairs])


def edit_many(changes: Mapping[UUID, Mapping[str, Any]], *, user: Any = None) -> None:
    """Change zones' descriptions, capacities, permissions and rules; each tells its event. Needs an open transaction.

    `user`: who wants it, a person; None: the installation itself. Raises: NotFound, AccessDenied, Invalid (more agents
    than a new capacity allows, a name that is not plain); nothing is changed then.
    """
    zones = lock_many(changes)
    if user is not None:
        for zone_id, zone in zones.items():
            _check_may_edit(zone, changes[zone_id].keys(), user)
    bits = {zone_id: zone.permissions for zone_id, zone in zones.items()}
    for zone_id, zone in zones.items():
        for name, value in changes[zone_id].items():
            setattr(zone, name, value)
        if "name" in changes[zone_id]:
            worlds.check_name(zone.name)
        if zone.agent_count > zone.capacity:
            raise Invalid(f"capacity: {zone.agent_count} agents are in {zone.name}")
        check_regeneration(zone.regeneration)
    fields = sorted({name for change in changes.values() for name in change})
    if fields:
        Zone.objects.bulk_update(zones.values(), fields, batch_size=200)
    publish_many([event for zone_id, zone in zones.items() for event in _edited(zone, changes[zone_id], bits[zone_id])])


def _check_may_edit(zone: Zone, fields: Collection[str], user: Any) -> None:
    """Raises: AccessDenied. Who may do what in a zone, its administrators say; the rest, who may modify it."""
    needed = Permission.ADMIN_ZONE if {"permissions", "closed"} & set(fields) else Permission.MODIFY_ZONE
    if not governs(zone, user) and not has_permission(zone, user, needed):
        raise AccessDenied(f"you may not change {', '.join(sorted(fields))} of {zone.name}")


def check_regeneration(regeneration: object) -> None:
    """Raises: Invalid unless it maps names of resources to units between −100 and 100."""
    fits = isinstance(regeneration, dict) and all(
        name in RESOURCES and isinstance(units, int | float) and abs(units) <= 100
        for name, units in regeneration.items()
    )
    if not fits:
        raise Invalid(f"regeneration: units (−100 to 100) for some of {', '.join(RESOURCES)}")


def begin_anew(world: World, specs: Sequence[Mapping[str, Any]]) -> list[Zone]:
    """Leave a world that was reset with just these zones, empty and as at its beginning, in this order.

    Zones keep their ids by name; those that `specs` do not name are deleted. Needs an open transaction.
    """
    Zone.objects.filter(world=world).exclude(name__in=[spec["name"] for spec in specs]).delete()
    Neighbour.objects.filter(zone__world=world).delete()
    Zone.objects.filter(world=world).update(ordinal=-1 - F("ordinal"))  # out of the way: ordinals are unique
    kept = {zone.name: zone for zone in Zone.objects.filter(world=world)}
    zones = [_at_the_beginning(world, kept.get(spec["name"]), i, spec) for i, spec in enumerate(specs)]
    fields = [f.name for f in Zone._meta.concrete_fields if f.name not in ("id", "inserted_at")]
    Zone.objects.bulk_create(zones, update_conflicts=True, unique_fields=["id"], update_fields=fields, batch_size=500)
    publish_many([_changed(zone, "reset", {}) for zone in zones])
    return zones


def _at_the_beginning(world: World, kept: Zone | None, ordinal: int, spec: Mapping[str, Any]) -> Zone:
    zone = _new(world, ordinal, spec)
    if kept is not None:
        zone.pk, zone.owner_id, zone.assigned_server = kept.pk, kept.owner_id, kept.assigned_server
        zone.active_session_count = kept.active_session_count
    return zone


def _edited(zone: Zone, changes: Mapping[str, Any], bits: int) -> Iterator[NewEvent]:
    yield _changed(zone, "edited", changes)
    if zone.permissions != bits:
        payload = events.PermissionChanged(was=bits, permissions=zone.permissions)
        yield NewEvent(events.zone_stream(zone.pk), events.zone_topic(zone.pk, "permission_changed"), payload)


def _changed(zone: Zone, what: str, changes: Mapping[str, Any]) -> NewEvent:
    payload = events.ZoneChanged(name=zone.name, what=what, changes=dict(changes))
    return NewEvent(events.zone_stream(zone.pk), events.zone_topic(zone.pk, "changed"), payload)


def lock_many(zone_ids: Iterable[UUID]) -> dict[UUID, Zone]:
    """Lock zones in the one order that everybody uses, by id. Raises: NotFound."""
    wanted = set(zone_ids)
    rows = Zone.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    zones = {zone.pk: zone for zone in rows.defer("happenings")}  # kilobytes each, for which nobody locks
    if missing := wanted - zones.keys():
        raise NotFound(f"there is no zone {', '.join(sorted(map(str, missing)))}")
    return zones


def add_agents(zone: Zone, count: int, *, due_tick: int) -> None:
    """Count agents who enter a locked zone and make it due for them. Raises: ZoneFull."""
    if zone.agent_count + count > zone.capacity:
        left = zone.capacity - zone.agent_count
        raise ZoneFull(f"{zone.name} has place for {left} more, not for {count}")
    Zone.objects.filter(pk=zone.pk).update(
        agent_count=F("agent_count") + count, due_tick=Least(F("due_tick"), due_tick)
    )
    zone.agent_count += count


def remove_agents(zone: Zone, count: int) -> None:
    """Count agents who leave a locked zone."""
    Zone.objects.filter(pk=zone.pk).update(agent_count=F("agent_count") - count)
    zone.agent_count -= count


def make_due(zone: Zone, *, tick: int) -> None:
    """See to it that a locked zone has its turn at `tick` at the latest."""
    Zone.objects.filter(pk=zone.pk).update(due_tick=Least(F("due_tick"), tick))


# --- Permissions ---------------------------------------------------------------------------------------------


def has_permission(zone: Zone, user: Any, permission: Permission) -> bool:
    """Whether `user` may do this in `zone`. What is not granted is denied."""
    return bool(permitted(zone, [user], permission))


def check_all(zones: Iterable[Zone], user: Any, permission: Permission) -> None:
    """Raises: AccessDenied unless a person may do this in each of these zones; None is the installation, which may."""
    if user is None:
        return
    if refused := [zone.name for zone in zones if not has_permission(zone, user, permission)]:
        raise AccessDenied(f"you may not {permission.name.lower().replace('_', ' ')} in {', '.join(refused)}")


def permitted(zone: Zone, users: Iterable[Any], permission: Permission) -> set[Any]:
    """Keys of those of some users who may do this in `zone`. What is not granted is denied.

    However many they are, at most three queries besides the zone's world. None is nobody.
    """
    if zone.closed:
        return set()
    active = {user.pk: user for user in users if user is not None and user.is_active}
    found = {pk for pk, user in active.items() if _owns(zone, user)}
    if zone.permissions & permission:
        found |= seeing(zone.world, [user for pk, user in active.items() if pk not in found])
    return found | visibility.operating([user for pk, user in active.items() if pk not in found])


def governs(zone: Zone, user: Any) -> bool:
    """Whether a user's account is in force and it owns the zone or its world, or is an operator of zones."""
    return user is not None and user.is_active and (_owns(zone, user) or visibility.operates(user))


def _owns(zone: Zone, user: Any) -> bool:
    return bool(user.is_superuser or user.pk in (zone.owner_id, zone.world.owner_id))


def may_see(world: World, user: Any) -> bool:
    """Whether a signed-in user may see a world: open to all, shared with named users, or private to its owner."""
    return bool(seeing(world, [user]))


def seeing(world: World, users: Iterable[Any]) -> set[Any]:
    """Keys of those of some users who may see a world. At most two queries. None is nobody."""
    return visibility.seeing(world, users)


def grant_permission(zone_id: UUID, permission: Permission, *, by: Any) -> int:
    """Let ordinary members do this. Returns the new bits. Raises: NotFound, AccessDenied."""
    return _set_bits(zone_id, lambda bits: bits | permission, by)


def revoke_permission(zone_id: UUID, permission: Permission, *, by: Any) -> int:
    """No longer let ordinary members do this. Returns the new bits. Raises: NotFound, AccessDenied."""
    return _set_bits(zone_id, lambda bits: bits & ~permission, by)


def _set_bits(zone_id: UUID, change: Any, by: Any) -> int:
    with transaction.atomic():
        zone = lock_many([zone_id])[zone_id]
        if not has_permission(zone, by, Permission.ADMIN_ZONE):
            raise AccessDenied(f"only who administers {zone.name} may change its permissions")
        bits = change(zone.permissions)
        Zone.objects.filter(pk=zone_id).update(permissions=bits)
        payload = events.PermissionChanged(was=zone.permissions, permissions=bits)
        publish(NewEvent(events.zone_stream(zone_id), events.zone_topic(zone_id, "permission_changed"), payload))
    return int(bits)


# --- Notices -------------------------------------------------------------------------------------------------

KEPT_NOTICES = 20


PIN_UP = """
WITH old AS (
    SELECT id FROM zone_notices WHERE zone_id = %(zone)s
    ORDER BY world_tick DESC, inserted_at DESC, id DESC OFFSET %(kept)s - 1
), gone AS (DELETE FROM zone_notices WHERE id IN (SELECT id FROM old))
INSERT INTO zone_notices (id, zone_id, author, text, world_tick, inserted_at, updated_at)
VALUES (%(id)s, %(zone)s, %(author)s, %(text)s, %(tick)s, clock_timestamp(), clock_timestamp())
"""


def write_notice(*, zone_id: UUID, author: str, text: str, world_tick: int) -> NewEvent:
    """Pin up a notice in a locked zone; the oldest above twenty are taken down. One statement, in a transaction.

    Returns its event, which the caller publishes with the rest of its change. Raises: Invalid.
    """
    text = text.strip()
    if not 1 <= len(text) <= 500:
        raise Invalid("text: 1 to 500 characters")
    values = {"id": new_id(), "zone": zone_id, "author": author, "text": text, "tick": world_tick, "kept": KEPT_NOTICES}
    sql.execute(PIN_UP, values)
    payload = events.NoticeWritten(author=author, text=text, tick=world_tick)
    return NewEvent(events.zone_stream(zone_id), events.zone_topic(zone_id, "notice_written"), payload)

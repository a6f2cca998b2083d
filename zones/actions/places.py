"""Writes to zones: making them, their permissions, their notices, who counts as present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from domains.thunderflow.actions import NewEvent, publish
from zones import events
from zones.errors import AccessDenied, Invalid, NotFound, ZoneFull
from zones.models import Neighbour, Notice, Permission, World, Zone


def create_many(world: World, specs: Sequence[Mapping[str, Any]]) -> list[Zone]:
    """Make zones from dicts of `Zone` fields, in this order after those that are there. Needs an open transaction."""
    first = Zone.objects.filter(world=world).count()
    zones = [
        Zone(
            world=world,
            ordinal=first + i,
            owner_id=world.owner_id,
            due_tick=world.tick + 1,
            environment_due=world.tick + spec.get("environment_interval", 30),
            **{key: value for key, value in spec.items()},
        )
        for i, spec in enumerate(specs)
    ]
    return Zone.objects.bulk_create(zones)


def connect(ways: Iterable[tuple[UUID, UUID, float]]) -> None:
    """Make or change ways between zones, (one, other, permeability), each in both directions."""
    rows = [
        Neighbour(zone_id=a, other_id=b, permeability=p)
        for one, other, p in ways
        for a, b in ((one, other), (other, one))
    ]
    Neighbour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["zone", "other"],
        update_fields=["permeability", "updated_at"],
    )


def lock_many(zone_ids: Iterable[UUID]) -> dict[UUID, Zone]:
    """Lock zones in the one order that everybody uses, by id. Raises: NotFound."""
    wanted = set(zone_ids)
    zones = {
        zone.pk: zone
        for zone in Zone.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    }
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
    if user is None or not user.is_active or zone.closed:
        return False
    if user.is_superuser or user.pk in (zone.owner_id, zone.world.owner_id):
        return True
    return bool(zone.permissions & permission) and may_see(zone.world, user)


def may_see(world: World, user: Any) -> bool:
    """Whether a signed-in user may see a world: open to all, shared with named users, or private to its owner."""
    if user is None or not user.is_active:
        return False
    if user.is_superuser or user.pk == world.owner_id or world.access == World.Access.OPEN:
        return True
    return world.access == World.Access.SHARED and world.members.filter(pk=user.pk).exists()


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
        publish(
            NewEvent(events.zone_stream(zone_id), events.zone_topic(zone_id, "permission_changed"), payload)
        )
    return int(bits)


# --- Notices -------------------------------------------------------------------------------------------------

KEPT_NOTICES = 20


def write_notice(*, zone_id: UUID, author: str, text: str, world_tick: int) -> tuple[Notice, NewEvent]:
    """Pin up a notice in a locked zone; the oldest above twenty are taken down. Needs an open transaction.

    Returns the notice and its event, which the caller publishes with the rest of its change. Raises: Invalid.
    """
    text = text.strip()
    if not 1 <= len(text) <= 500:
        raise Invalid("text: 1 to 500 characters")
    notice = Notice.objects.create(zone_id=zone_id, author=author, text=text, world_tick=world_tick)
    old = Notice.objects.filter(zone_id=zone_id).order_by("-inserted_at", "-id")[KEPT_NOTICES:]
    Notice.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
    payload = events.NoticeWritten(author=author, text=text, tick=world_tick)
    return notice, NewEvent(
        events.zone_stream(zone_id), events.zone_topic(zone_id, "notice_written"), payload
    )

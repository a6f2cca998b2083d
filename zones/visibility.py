"""Who may see a world: the one rule, for one world, for many, and as a filter for queries.

A world is private to its owner, shared with named users, or open to all who are signed in; whoever has the permission
to see every world sees the private ones, too. What a key is for, or a role, opens no world besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from domains.thundergate import access
from zones.models import World


def worlds(user: Any) -> QuerySet[World]:
    """Worlds that a user may see, for filters too: `world__in=worlds(user)`. None, or a disabled account, sees none."""
    if user is None or not user.is_active:
        return World.objects.none()
    if access.sees_every_world(user):
        return World.objects.all()
    shared = World.members.through.objects.filter(user=user).values("world")
    return World.objects.filter(
        Q(access=World.Access.OPEN) | Q(owner=user) | Q(access=World.Access.SHARED, pk__in=shared)
    )


def governed(user: Any) -> QuerySet[World]:
    """Worlds that a user may change: its own; all of them for who sees every world and may change worlds."""
    if user is None or not user.is_active:
        return World.objects.none()
    return World.objects.all() if operates(user) else World.objects.filter(owner=user)


def seeing(world: World, users: Iterable[Any]) -> set[Any]:
    """Keys of those of some users who may see a world. None is nobody.

    At most two queries, however many they are.
    """
    active = [user for user in users if user is not None and user.is_active]
    if world.access == World.Access.OPEN:
        return {user.pk for user in active}
    found = {user.pk for user in active if user.pk == world.owner_id or user.is_superuser}
    others = [user for user in active if user.pk not in found]
    if others and world.access == World.Access.SHARED:
        found.update(world.members.filter(pk__in=[user.pk for user in others]).values_list("pk", flat=True))
    return found | access.holding([user for user in others if user.pk not in found], access.SEE_EVERY_WORLD)


CHANGE_ZONE = "zones.change_zone"


def operates(user: Any) -> bool:
    """Whether somebody may change any zone and world, whoever owns it."""
    return access.sees_every_world(user) and bool(user.has_perm(CHANGE_ZONE))


def operating(users: Iterable[Any]) -> set[Any]:
    """Keys of those of some users of whom that is so. One query at most."""
    return access.holding(users, access.SEE_EVERY_WORLD, CHANGE_ZONE)

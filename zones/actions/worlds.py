"""Creating and steering worlds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from domains import lifecycle, names
from domains.thunderflow.actions import NewEvent, publish
from zones import events, visibility
from zones.errors import Invalid, NotFound
from zones.models import Crossing, Notice, World, WorldSource, Zone


def create(*, name: str, by: Any = None, seed: int = 0, **fields: Any) -> World:
    """Make a world, owned by the user `by` (None: by the installation).

    Raises: Invalid when the name is taken or not plain.
    """
    check_name(name)
    try:
        with transaction.atomic():
            world = World.objects.create(name=name, owner=by, seed=seed, **fields)
            _tell(world, "created")
    except (DataError, IntegrityError) as error:
        raise Invalid(f"a world called {name[:100]!r} cannot be made: {_constraint(error)}") from error
    return world


def check_name(name: str) -> None:
    """Raises: Invalid when something hides in it."""
    try:
        names.plain(name)
    except ValueError as error:
        raise Invalid(f"name: {error}") from None


def _constraint(error: DatabaseError) -> str:
    if isinstance(error, DataError):
        return "its name has 1 to 100 characters, its seed is a whole number from 0 to 2⁶³ − 1"
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    return "there is one already" if name.startswith("worlds_name") else f"it breaks {name}"


def governs(world: World, user: Any) -> bool:
    """Whether a user's account is in force and it owns the world, or is an operator of worlds."""
    if user is None or not user.is_active:
        return False
    if user.is_superuser or user.pk == world.owner_id:
        return True
    return visibility.operates(user)


def pause(world_id: UUID) -> World:
    """Heartbeats no longer move the clock; the tick under way is finished. Raises: NotFound."""
    return _set(world_id, "paused", status=World.Status.PAUSED, target_tick=F("tick"))


def resume(world_id: UUID) -> World:
    """Heartbeats move the clock again. Raises: NotFound."""
    return _set(world_id, "resumed", status=World.Status.RUNNING, credit=0.0)


def set_rate(world_id: UUID, rate: float) -> World:
    """World ticks a heartbeat, above 0 and at most 1,000. Raises: NotFound, Invalid."""
    if not 0 < rate <= 1000:
        raise Invalid("rate: a number above 0 and at most 1000")
    return _set(world_id, "rate_changed", detail=str(rate), rate=rate)


def step(world_id: UUID, *, ticks: int = 1) -> World:
    """Let the clock go on by `ticks`, paused or not, and wake the workers. Raises: NotFound, Invalid."""
    if not 1 <= ticks <= 1_000_000:
        raise Invalid("ticks: a whole number from 1 to 1000000")
    return _set(world_id, "stepped", detail=str(ticks), target_tick=F("target_tick") + ticks)


def _set(world_id: UUID, what: str, *, detail: str = "", **fields: Any) -> World:
    with transaction.atomic():
        world = World.objects.select_for_update(no_key=True).filter(pk=world_id).first()
        if world is None:
            raise NotFound(f"there is no world {world_id}")
        World.objects.filter(pk=world_id).update(**fields)
        world = World.objects.get(pk=world_id)
        _tell(world, what, detail)
        transaction.on_commit(lambda: lifecycle.clock_opened.send(sender=None))
    return world


def lock(name: str) -> World | None:
    """Lock a world and all its zones: nothing in it ticks until the commit. None when there is no such world.

    Needs an open transaction.
    """
    world = World.objects.select_for_update(no_key=True).filter(name=name).first()
    if world is not None:
        list(Zone.objects.select_for_update(no_key=True).filter(world=world).order_by("pk").values_list("pk"))
    return world


def edit(world: World, **fields: Any) -> None:
    """Change a locked world: name, description, access, rate, seed, owner. Needs an open transaction.

    Zones of the former owner go to the new one with it. Raises: Invalid.
    """
    if "name" in fields:
        check_name(fields["name"])
    if "owner" in fields:
        Zone.objects.filter(world=world, owner_id=world.owner_id).update(owner=fields["owner"])
    World.objects.filter(pk=world.pk).update(**fields, updated_at=timezone.now())
    _tell(world, "edited", ", ".join(sorted(fields)))


def keep_source(world_id: UUID, source: Mapping[str, Any]) -> None:
    """Remember the file that a reset returns to."""
    WorldSource.objects.update_or_create(world_id=world_id, defaults={"content": source})


def reset(world: World, **fields: Any) -> None:
    """Put a locked world's clock back to 0 and empty it; its agents must be gone. Needs an open transaction.

    The zones stay; `places.begin_anew` sees to them. `fields` are set on the way.
    """
    Crossing.objects.filter(world=world).delete()
    Notice.objects.filter(zone__world=world).delete()
    fields |= {"tick": 0, "target_tick": 0, "credit": 0.0, "next_ordinal": 0}
    World.objects.filter(pk=world.pk).update(**fields, updated_at=timezone.now())
    _tell(world, "reset")
    for name, value in fields.items():
        setattr(world, name, value)


def delete(world_id: UUID) -> None:
    """Delete a world with all its zones. Its agents must be gone before. Raises: NotFound."""
    with transaction.atomic():
        world = World.objects.select_for_update().filter(pk=world_id).first()
        if world is None:
            raise NotFound(f"there is no world {world_id}")
        world.delete()
        world.pk = world_id
        _tell(world, "deleted")


def take_ordinals(world_id: UUID, count: int) -> tuple[int, int, int]:
    """Reserve `count` agent ordinals. Returns (first ordinal, the world's tick, its seed); locks the world's row.

    Needs an open transaction. Raises: NotFound.
    """
    world = World.objects.select_for_update(no_key=True).filter(pk=world_id).first()
    if world is None:
        raise NotFound(f"there is no world {world_id}")
    World.objects.filter(pk=world_id).update(next_ordinal=F("next_ordinal") + count)
    return world.next_ordinal, world.tick, world.seed


def _tell(world: World, what: str, detail: str = "") -> None:
    payload = events.WorldChanged(name=world.name, what=what, tick=world.tick, detail=detail)
    publish(NewEvent(events.world_stream(world.pk), f"world.{world.pk}.changed", payload))

"""Locking agents where they are: their zones first, by id, as everybody does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from agents.errors import NotFound, WrongState, ZoneBusy
from agents.models import Agent
from domains import sql
from zones.actions import places

PATIENCE_MS = 3000
"""Many times as long as the zones' locks are held by ticks."""


@contextmanager
def patiently(*, durable: bool = False) -> Iterator[None]:
    """A transaction for clients who wait: it gives up where a lock is held for long, so that one zone stops no other.

    Raises: ZoneBusy.
    """
    try:
        with transaction.atomic(durable=durable):
            sql.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
            yield
    except (LockNotAvailable, OperationalError) as error:
        if not isinstance(error, LockNotAvailable) and not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise ZoneBusy("the zone is busy; try again in a moment") from error


def lock(agent_ids: Sequence[UUID], *, also: Collection[UUID] = ()) -> tuple[list[Agent], dict[UUID, Any]]:
    """Lock the agents' zones, then read the agents; again when one has moved in between.

    `also` are zones to lock with them. Raises: NotFound, zones.errors.NotFound.
    """
    wanted = list(dict.fromkeys(agent_ids))
    if not wanted:
        raise NotFound("no agent was named")
    for _ in range(10):
        try:
            with transaction.atomic():  # zones that were locked in vain are let go, or the order of locks is lost
                return _lock_where_they_are(wanted, also)
        except _Moved:
            continue
    raise WrongState("the agents keep moving; try again")


class _Moved(Exception):
    """Somebody went elsewhere before its zone was locked."""


def _lock_where_they_are(wanted: Sequence[UUID], also: Collection[UUID]) -> tuple[list[Agent], dict[UUID, Any]]:
    before = dict(Agent.objects.filter(pk__in=wanted).values_list("pk", "zone_id"))
    if missing := set(wanted) - before.keys():
        raise NotFound(f"there is no agent {', '.join(sorted(map(str, missing)))}")
    zones = places.lock_many([*before.values(), *also])
    found = Agent.objects.select_related("world").filter(pk__in=wanted)
    agents = list(found.order_by("pk"))
    if not {a.zone_id for a in agents} <= zones.keys():
        raise _Moved
    return agents, zones

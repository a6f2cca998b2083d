"""Locking agents where they are: their zones first, by id, as everybody does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.errors import NotFound, WrongState
from agents.models import Agent
from zones.actions import places


def lock(agent_ids: Sequence[UUID]) -> tuple[list[Agent], dict[UUID, Any]]:
    """Lock the agents' zones, then read the agents; again when one has moved in between. Raises: NotFound."""
    wanted = list(dict.fromkeys(agent_ids))
    if not wanted:
        raise NotFound("no agent was named")
    for _ in range(10):
        try:
            with transaction.atomic():  # zones that were locked in vain are let go, or the order of locks is lost
                return _lock_where_they_are(wanted)
        except _Moved:
            continue
    raise WrongState("the agents keep moving; try again")


class _Moved(Exception):
    """Somebody went elsewhere before its zone was locked."""


def _lock_where_they_are(wanted: Sequence[UUID]) -> tuple[list[Agent], dict[UUID, Any]]:
    before = dict(Agent.objects.filter(pk__in=wanted).values_list("pk", "zone_id"))
    if missing := set(wanted) - before.keys():
        raise NotFound(f"there is no agent {', '.join(sorted(map(str, missing)))}")
    zones = places.lock_many(before.values())
    found = Agent.objects.select_related("world").filter(pk__in=wanted)
    agents = list(found.order_by("pk"))
    if not {a.zone_id for a in agents} <= zones.keys():
        raise _Moved
    return agents, zones

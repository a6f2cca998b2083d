"""A world as a map shows it: zones, the ways between them, and everybody in it, as JSON that is made once for all.

Everything of an agent is a column over all agents, in whole numbers (`x10`: tenths): a list of ten thousand objects
would be four times as long.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from agents.errors import NotFound
from domains import sql
from domains.thunderflow import queries as log
from zones import queries as zones

FRESH_S = 2.0
"""For how long a map is handed out: who gets it follows on from the number that it is of."""
MOST_SHOWN = 20_000
"""Agents on a map: of a larger world, the first that were born."""
MOST_KEPT = 16
"""Maps in a process."""

# JSON from the database: to make ten thousand rows Python's and then text again would cost six times as much.
AGENTS = """
SELECT json_build_object(
    'id', coalesce(json_agg(a.id), '[]'), 'name', coalesce(json_agg(a.name), '[]'),
    'zone', coalesce(json_agg(a.zone), '[]'), 'active', coalesce(json_agg(a.active), '[]'),
    'x10', coalesce(json_agg(a.x10), '[]'), 'y10', coalesce(json_agg(a.y10), '[]'),
    'mood100', coalesce(json_agg(a.mood100), '[]'), 'energy', coalesce(json_agg(a.energy), '[]'),
    'activity', coalesce(json_agg(a.activity), '[]')
)::text
FROM (
    SELECT a.id, a.name, z.number AS zone, (a.lifecycle = 'active')::int AS active, a.activity,
           (a.x * 10)::int AS x10, (a.y * 10)::int AS y10, (a.mood * 100)::int AS mood100, a.energy::int AS energy
    FROM pac_agents a JOIN (
        SELECT id, row_number() OVER (ORDER BY ordinal) - 1 AS number FROM pac_zones WHERE world_id = %(world)s
    ) z ON z.id = a.zone_id
    WHERE a.world_id = %(world)s AND a.lifecycle <> 'archived' ORDER BY a.ordinal LIMIT %(most)s
) a
"""


@dataclass(frozen=True, slots=True)
class Map:
    """`body` is JSON, `packed` the same by gzip."""

    made_at: float
    body: bytes
    packed: bytes


_kept: OrderedDict[UUID, Map] = OrderedDict()
_making: dict[UUID, threading.Lock] = {}
_lock = threading.Lock()


def of(world_id: UUID) -> Map:
    """The map of a world, at most two seconds old. Five queries when it is made anew, else none. Raises: NotFound."""
    with _lock:
        making = _making.setdefault(world_id, threading.Lock())
    with making:  # many ask at once after a restart: one makes it for all
        found = _kept.get(world_id)
        if found is None or time.monotonic() - found.made_at > FRESH_S:
            found = _keep(world_id, _make(world_id))
        return found


def forget() -> None:
    """Make maps anew when they are asked for."""
    with _lock:
        _kept.clear()
        _making.clear()


def _keep(world_id: UUID, made: Map) -> Map:
    with _lock:
        _kept[world_id] = made
        _kept.move_to_end(world_id)
        while len(_kept) > MOST_KEPT:
            _making.pop(_kept.popitem(last=False)[0], None)
    return made


def _make(world_id: UUID) -> Map:
    made_at = time.monotonic()
    body = orjson.dumps(draw(world_id))
    return Map(made_at, body, gzip.compress(body, compresslevel=1, mtime=0))


def draw(world_id: UUID) -> dict[str, Any]:
    """What is on the map. `position` is a number of the log: not all that came after it is in here.

    Raises: NotFound.
    """
    position = log.settled()  # before all else: what happens meanwhile is told again, and changes nothing then
    with transaction.atomic():
        sql.raw().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        world = zones.worlds().filter(pk=world_id).first()
        if world is None:
            raise NotFound(f"there is no world {world_id}")
        places = list(zones.zones(world_id).defer("happenings", "regeneration", "description"))
        ways = zones.ways(world_id)
        agents = sql.fetch_rows(AGENTS, {"world": world_id, "most": MOST_SHOWN})[0][0]
    number = {place.pk: i for i, place in enumerate(places)}
    return {
        "position": position,
        "world": {
            "id": world.pk, "name": world.name, "status": world.status, "tick": world.tick, "rate": world.rate,
            "population": sum(place.agent_count for place in places),
        },
        "zones": [_zone(place) for place in places],
        "ways": [(number[a], number[b], share) for a, b, share in ways if number[a] < number[b]],
        "agents": orjson.Fragment(agents),
    }  # fmt: skip


def _zone(place: Any) -> dict[str, Any]:
    of = {**place.properties, **place.resources, "entropy": place.entropy, "thermal": place.thermal}
    figures = {name: round(value, 3) for name, value in of.items()}
    return {
        "id": place.pk, "name": place.name, "capacity": place.capacity, "agents": place.agent_count,
        "closed": place.closed, **figures,
    }  # fmt: skip

"""A world's clock, its zones' turns, and the barrier between two world ticks.

Each zone that has something due at world tick k is claimed once (or once a chunk) under its row's lock. Only when
no zone of the world has anything due at k may the clock go to k + 1. Every function here needs an open transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import transaction

from domains import lifecycle, sql
from domains.thunderflow.actions import NewEvent
from zones import events
from zones.environment import Climate, diffuse
from zones.state import KEPT_HAPPENINGS, Happening, Way, ZoneState, pack, unpack

FOR_EVER = 1 << 62

_FURTHER = "greatest(target_tick, tick + floor(credit + rate)::bigint)"
# A tick behind the target was timed before the clock was set back.
_NOT_TIMED = f"{_FURTHER} > target_tick AND (timed_from IS NULL OR timed_tick > target_tick)"

# A running world may go on by `rate` ticks. One that lags behind is not given more: overload slows it. The last of
# them is timed, unless one that is has not been done yet.
OPEN = f"""
UPDATE worlds SET target_tick = {_FURTHER}, credit = (credit + rate) - floor(credit + rate),
    timed_tick = CASE WHEN {_NOT_TIMED} THEN {_FURTHER} ELSE timed_tick END,
    timed_from = CASE WHEN {_NOT_TIMED} THEN %(at)s ELSE timed_from END
WHERE status = 'running'
"""

OPEN_FREE = f"""
{OPEN} AND id IN (SELECT id FROM worlds WHERE status = 'running' FOR NO KEY UPDATE SKIP LOCKED)
"""

# OFFSET 0: a zone has few neighbours, and without statistics the planner would go through the whole world for them.
_ZONE = """
    z.id, z.world_id, w.name AS world_name, w.seed, w.tick, z.ordinal, z.name, z.capacity, z.agent_count,
    z.movement_cost, z.interaction_range, z.regeneration, z.environment_interval, z.environment_due,
    z.temperature, z.humidity, z.light, z.noise, z.food, z.materials, z.energy, z.knowledge,
    z.entropy, z.thermal, z.diffusing, z.happenings, z.due_tick,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(o.id, o.ordinal, o.name, n.permeability) ORDER BY o.ordinal), '[]')
     FROM zone_neighbours n CROSS JOIN LATERAL (SELECT * FROM pac_zones WHERE id = n.other_id OFFSET 0) o
     WHERE n.zone_id = z.id AND n.permeability > 0 AND o.world_id = z.world_id AND NOT o.closed) AS ways
FROM pac_zones z JOIN worlds w ON w.id = z.world_id
"""

CLAIM = f"""
SELECT {_ZONE}
WHERE z.due_tick <= w.tick AND (%(world)s::uuid IS NULL OR w.id = %(world)s)
LIMIT %(most)s FOR NO KEY UPDATE OF z SKIP LOCKED
"""

LOOK = f"SELECT {_ZONE} WHERE z.id = ANY(%s)"

LOCK_FREE = f"SELECT {_ZONE} WHERE z.id = ANY(%s) FOR NO KEY UPDATE OF z SKIP LOCKED"

LOCK = f"SELECT {_ZONE} WHERE z.id = %s FOR NO KEY UPDATE OF z"

SAVE = """
UPDATE pac_zones z SET due_tick = u.due_tick, environment_due = u.environment_due,
    temperature = u.temperature, humidity = u.humidity, light = u.light, noise = u.noise,
    food = u.food, materials = u.materials, energy = u.energy, knowledge = u.knowledge,
    entropy = u.entropy, thermal = u.thermal, diffusing = u.diffusing, happenings = u.happenings::jsonb,
    updated_at = now()
FROM unnest(%s::uuid[], %s::int8[], %s::int8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
            %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::bool[], %s::text[])
     AS u (id, due_tick, environment_due, temperature, humidity, light, noise, food, materials, energy, knowledge,
           entropy, thermal, diffusing, happenings)
WHERE z.id = u.id
"""


def open_all(at: datetime) -> None:
    """A heartbeat at an instant: let every running world go on, and wake those who do the work once it is committed.

    A world that a long command holds (a reset, a load) is left out rather than waited for, so that it stops no other.
    """
    try:
        with transaction.atomic():
            sql.execute("SET LOCAL lock_timeout = '300ms'")  # a barrier's lock is over sooner
            sql.execute(OPEN, {"at": at})
    except psycopg.errors.LockNotAvailable:
        sql.execute(OPEN_FREE, {"at": at})
    transaction.on_commit(lambda: lifecycle.clock_opened.send(sender=None))


def claim(world_id: UUID | None = None, *, most: int = 1) -> list[ZoneState]:
    """Lock up to `most` zones with something due, of any world or of one: those that are free."""
    return [_state(row) for row in sql.fetch(CLAIM, {"world": world_id, "most": most})]


def lock(zone_id: UUID) -> ZoneState | None:
    """Wait for one zone's lock; None when there is no such zone."""
    rows = sql.fetch(LOCK, [zone_id])
    return _state(rows[0]) if rows else None


def lock_free(zone_ids: Sequence[UUID]) -> list[ZoneState]:
    """Lock those of some zones that nobody else holds; nobody is waited for."""
    return [_state(row) for row in sql.fetch(LOCK_FREE, [list(zone_ids)])]


def look(zone_ids: Sequence[UUID]) -> list[ZoneState]:
    """Some zones as they are at this moment, without a lock: to be looked at and not written back."""
    return [_state(row) for row in sql.fetch(LOOK, [list(zone_ids)])]


def _state(row: dict[str, Any]) -> ZoneState:
    properties = {key: row.pop(key) for key in ("temperature", "humidity", "light", "noise")}
    resources = {key: row.pop(key) for key in ("food", "materials", "energy", "knowledge")}
    ways = [Way(UUID(way[0]), *way[1:]) for way in row.pop("ways")]
    happenings = unpack(row.pop("happenings"))
    return ZoneState(**row, properties=properties, resources=resources, ways=ways, happenings=happenings)


def save(zones: Iterable[tuple[ZoneState, int]]) -> None:
    """Write locked zones back, each with the first world tick at which something is due in it."""
    columns = zip(*(_values(zone, due_tick) for zone, due_tick in zones), strict=True)
    sql.execute(SAVE, [list(column) for column in columns])


def _values(zone: ZoneState, due_tick: int) -> tuple[Any, ...]:
    """In the order of SAVE's arrays."""
    happenings = zone.kept() if zone.fresh else [pack(h) for h in zone.happenings]
    p, r = zone.properties, zone.resources
    return (
        zone.id, due_tick, zone.environment_due,
        p["temperature"], p["humidity"], p["light"], p["noise"],
        r["food"], r["materials"], r["energy"], r["knowledge"],
        zone.entropy, zone.thermal, zone.diffusing, orjson.dumps(happenings).decode(),
    )  # fmt: skip


# --- The barrier ---------------------------------------------------------------------------------------------

# A world that may go on and has nothing due, the one that waits longest. The others find it locked and look elsewhere.
TAKE_WORLD = """
SELECT w.id, w.name, w.seed, w.tick FROM worlds w
WHERE w.tick < w.target_tick AND (%(world)s::uuid IS NULL OR w.id = %(world)s)
  AND NOT EXISTS (SELECT 1 FROM pac_zones z WHERE z.world_id = w.id AND z.due_tick <= w.tick)
ORDER BY w.updated_at LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED
"""

# Asked again under the lock: when the world's row changed between the start of TAKE_WORLD and its lock, PostgreSQL
# looks at the new row, but no longer at the zones, and a clock that another worker just moved would skip a tick.
DUE = "SELECT 1 FROM pac_zones WHERE world_id = %s AND due_tick <= %s LIMIT 1"

CROSSINGS = """
SELECT agent_id, origin_id, destination_id FROM zone_crossings WHERE world_id = %s AND leave_tick <= %s
"""

TAKE_CROSSINGS = """
DELETE FROM zone_crossings WHERE agent_id = ANY(%s) RETURNING agent_id, agent_ordinal, origin_id, destination_id
"""

# Those that diffusion can change.
CLIMATE_ZONES = """
SELECT z.id FROM pac_zones z WHERE z.world_id = %(world)s AND (z.diffusing OR EXISTS (
    SELECT 1 FROM zone_neighbours n JOIN pac_zones d ON d.id = n.zone_id WHERE n.other_id = z.id AND d.diffusing))
"""

LOCK_ZONES = "SELECT 1 FROM pac_zones WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

TO_DO = """
SELECT 1 FROM worlds w WHERE (%(world)s::uuid IS NULL OR w.id = %(world)s)
  AND (w.tick < w.target_tick OR EXISTS (SELECT 1 FROM pac_zones z WHERE z.world_id = w.id AND z.due_tick <= w.tick))
LIMIT 1
"""

DEPART = """
INSERT INTO zone_crossings (world_id, leave_tick, agent_id, agent_ordinal, origin_id, destination_id)
SELECT w.id, w.tick, u.* FROM unnest(%s::uuid[], %s::int4[], %s::uuid[], %s::uuid[]) AS u (id, ordinal, origin, other)
JOIN pac_zones z ON z.id = u.origin JOIN worlds w ON w.id = z.world_id
ON CONFLICT (agent_id) DO NOTHING
"""

# Of more happenings than are kept, the oldest go.
SETTLE = f"""
UPDATE pac_zones z SET agent_count = agent_count + u.count, due_tick = least(z.due_tick, u.due_tick),
    happenings = jsonb_path_query_array(z.happenings || u.happenings::jsonb, '$[last - {KEPT_HAPPENINGS - 1} to last]')
FROM unnest(%s::uuid[], %s::int4[], %s::int8[], %s::text[]) AS u (id, count, due_tick, happenings) WHERE z.id = u.id
"""

CLIMATE = """
SELECT z.id, z.ordinal, z.entropy, z.thermal, z.diffusing,
       coalesce(array_agg(o.ordinal) FILTER (WHERE o.id IS NOT NULL), '{}') AS others,
       coalesce(array_agg(n.permeability) FILTER (WHERE o.id IS NOT NULL), '{}') AS permeabilities
FROM pac_zones z LEFT JOIN zone_neighbours n ON n.zone_id = z.id
     LEFT JOIN pac_zones o ON o.id = n.other_id AND o.world_id = z.world_id
WHERE z.world_id = %(world)s GROUP BY z.id
"""

SPREAD = """
UPDATE pac_zones z SET entropy = c.entropy, thermal = c.thermal
FROM unnest(%s::uuid[], %s::float8[], %s::float8[]) AS c (id, entropy, thermal) WHERE z.id = c.id
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A world whose zones are all done with `tick`; its row is locked."""

    world_id: UUID
    name: str
    seed: int
    tick: int


@dataclass(frozen=True, slots=True)
class Crosser:
    """An agent on its way from one zone to another."""

    agent_id: UUID
    ordinal: int
    origin: UUID
    destination: UUID


def take_turn(world_id: UUID | None = None) -> Turn | None:
    """Lock a world that may go on and has nothing due at its tick; None if there is no such world just now."""
    rows = sql.fetch_rows(TAKE_WORLD, {"world": world_id})
    if not rows:
        return None
    turn = Turn(*rows[0])
    return None if sql.fetch_rows(DUE, [turn.world_id, turn.tick]) else turn


def anything_to_do(world_id: UUID | None = None) -> bool:
    """Whether some clock has not reached its target or some zone is still due, be it in another worker's hands."""
    return bool(sql.fetch_rows(TO_DO, {"world": world_id}))


def lock_touched(turn: Turn, *, also: Iterable[UUID] = ()) -> tuple[list[UUID], bool]:
    """Lock the zones that the barrier will change, by id and at once: before the crossings, as everybody else does.

    `also` are zones that it will change for other reasons.

    Returns the agents who are on the way at the end of this tick, and whether climates will mix.
    """
    found = sql.fetch_rows(CROSSINGS, [turn.world_id, turn.tick])
    stirred = [row[0] for row in sql.fetch_rows(CLIMATE_ZONES, {"world": turn.world_id})]
    if touched := {zone_id for row in found for zone_id in row[1:]} | {*stirred, *also}:
        sql.fetch_rows(LOCK_ZONES, [list(touched)])
    return [row[0] for row in found], bool(stirred)


def take_crossings(agent_ids: Sequence[UUID]) -> list[Crosser]:
    """Those of these agents who still are on the way, by ordinal; the rows are taken out."""
    if not agent_ids:
        return []
    rows = sql.fetch_rows(TAKE_CROSSINGS, [list(agent_ids)])
    return sorted((Crosser(*row) for row in rows), key=lambda crosser: crosser.ordinal)


def spread_climate(turn: Turn) -> list[NewEvent]:
    """Diffuse entropy and warmth between locked zones, from the values of this tick. Returns the events of it."""
    rows = sql.fetch(CLIMATE, {"world": turn.world_id})
    ids = {row["ordinal"]: row["id"] for row in rows}
    climates = {
        row["ordinal"]: Climate(
            row["ordinal"], row["entropy"], row["thermal"], row["diffusing"],
            tuple(zip(row["others"], row["permeabilities"], strict=True)),
        )
        for row in rows
    }  # fmt: skip
    changed = sorted((ids[ordinal], *values) for ordinal, values in diffuse(climates).items())
    if changed:
        sql.execute(SPREAD, [list(column) for column in zip(*changed, strict=True)])
    sql.execute("UPDATE pac_zones SET diffusing = false WHERE world_id = %s AND diffusing", [turn.world_id])
    return [
        NewEvent(
            events.zone_stream(zone_id),
            events.zone_topic(zone_id, "climate_changed"),
            events.ClimateChanged(entropy=entropy, thermal=thermal, tick=turn.tick),
        )
        for zone_id, entropy, thermal in changed
    ]


_TOOK_MS = "extract(epoch FROM clock_timestamp() - timed_from) * 1000"

GO_ON = f"""
UPDATE worlds SET tick = %(tick)s + 1, updated_at = now(),
    took_ms = CASE WHEN timed_from IS NOT NULL AND timed_tick <= %(tick)s THEN {_TOOK_MS} ELSE took_ms END,
    timed_from = CASE WHEN timed_tick <= %(tick)s THEN NULL ELSE timed_from END
WHERE id = %(world)s
"""

# Of worlds that have nothing left to do before the next heartbeat, and that nobody else writes to just now.
DONE = f"""
UPDATE worlds SET took_ms = {_TOOK_MS}, timed_from = NULL
WHERE id IN (
    SELECT w.id FROM worlds w
    WHERE w.timed_from IS NOT NULL AND w.timed_tick <= w.tick
      AND NOT EXISTS (SELECT 1 FROM pac_zones z WHERE z.world_id = w.id AND z.due_tick <= w.tick)
    FOR NO KEY UPDATE OF w SKIP LOCKED
)
"""


def go_on(turn: Turn) -> None:
    """The clock goes to the next tick; if the one before is timed, it is done."""
    sql.execute(GO_ON, {"tick": turn.tick, "world": turn.world_id})


def note_done() -> None:
    """Write down how long it took, where the tick that is timed is done and no other follows yet. One statement."""
    sql.execute(DONE)


def depart(crossers: Sequence[Crosser]) -> None:
    """Note down who leaves its zone at this tick; who is on the way already goes where it set out for first."""
    columns = zip(*((c.agent_id, c.ordinal, c.origin, c.destination) for c in crossers), strict=True)
    sql.execute(DEPART, [list(column) for column in columns])


def on_the_way(agent_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these agents who have left their zones and not arrived."""
    rows = sql.fetch_rows("SELECT agent_id FROM zone_crossings WHERE agent_id = ANY(%s)", [list(agent_ids)])
    return {row[0] for row in rows}


def cancel_crossings(agent_ids: Sequence[UUID]) -> None:
    """Forget that these agents were on their way."""
    sql.execute("DELETE FROM zone_crossings WHERE agent_id = ANY(%s)", [list(agent_ids)])


@dataclass(slots=True)
class Settled:
    """What a world tick's moves change of one zone."""

    zone_id: UUID
    count: int = 0
    due_tick: int = FOR_EVER
    happenings: list[Happening] = field(default_factory=list)


def settle(changes: Iterable[Settled]) -> None:
    """Write what the moves changed of locked zones."""
    rows = [(c.zone_id, c.count, c.due_tick, orjson.dumps([pack(h) for h in c.happenings]).decode()) for c in changes]
    sql.execute(SETTLE, [list(column) for column in zip(*rows, strict=True)])


def resource_event(zone: ZoneState, now: Any) -> list[NewEvent]:
    """The event of a zone's resources in this transaction; none when nothing changed."""
    changes = {key: value for key, value in zone.changes.items() if value}
    if not changes:
        return []
    payload = events.ResourceChanged(changes=changes, new_resources=zone.resources, tick=zone.tick, timestamp=now)
    return [NewEvent(zone.stream, events.zone_topic(zone.id, "resource_changed"), payload)]

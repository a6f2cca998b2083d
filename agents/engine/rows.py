"""The engine's SQL: every read and write of agents that a tick makes, each for a whole chunk at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from agents.facts import AgentState
from agents.models import STATS, TRAITS
from agents.perceive import LOOKED_AT, NOBODY, Bystander
from agents.reasoners import apart_kinds
from domains import sql

_AGENT = """
    id, ordinal, name, capabilities, mod_count, reasoner, movement_range, tick_interval,
    openness, conscientiousness, extraversion, agreeableness, neuroticism,
    energy, creativity, focus, social, exploration,
    mood, activity, current_focus, goals, working_memory, recent_actions, x, y, z, tick_number, last_tick, due_tick,
    mail, narrator
"""

# The zone's lock is held: nobody else ticks these. No row locks, which would write every row a second time.
# Those who think with a model come last: they do not tick here, but can be met.
DUE = f"""
SELECT {_AGENT}, reasoner = ANY(%(thinking)s) AS thinks, z.place
FROM unnest(%(zones)s::uuid[], %(ticks)s::int8[]) WITH ORDINALITY AS z (zone, tick, place)
JOIN pac_agents ON zone_id = z.zone
WHERE lifecycle = 'active' AND (due_tick <= z.tick OR reasoner = ANY(%(thinking)s))
ORDER BY z.place, thinks, ordinal LIMIT %(limit)s
"""

ONE = f"SELECT {_AGENT} FROM pac_agents WHERE id = %s AND zone_id = %s AND lifecycle = 'active'"

MANY = f"""
SELECT {_AGENT}, zone_id FROM unnest(%s::uuid[], %s::uuid[]) AS u (agent, zone)
JOIN pac_agents ON id = u.agent AND zone_id = u.zone WHERE lifecycle = 'active' ORDER BY ordinal
"""

# Of a large zone only those around the chunk are looked at; who is near is bounded anyway.
ROSTER = """
SELECT ordinal, name, x, y FROM pac_agents
WHERE zone_id = %s AND lifecycle = 'active' AND ordinal >= %s ORDER BY ordinal LIMIT %s
"""

# Of each zone, those whom an agent of that ordinal looks at (`perceive.looked_at`); for a null ordinal, all.
ROSTERS = """
WITH here AS (
    SELECT zone_id, ordinal, name, x, y,
           row_number() OVER of_zone - 1 AS place, count(*) OVER (PARTITION BY zone_id) AS n
    FROM pac_agents WHERE zone_id = ANY(%(zones)s::uuid[]) AND lifecycle = 'active'
    WINDOW of_zone AS (PARTITION BY zone_id ORDER BY ordinal)
)
SELECT here.zone_id, here.n, here.place, here.ordinal, here.name, here.x, here.y
FROM unnest(%(zones)s::uuid[], %(ordinals)s::int8[]) AS u (zone_id, ordinal) JOIN here ON here.zone_id = u.zone_id
     AND (u.ordinal IS NULL OR (here.place - u.ordinal %% here.n + here.n) %% here.n < %(looked_at)s)
"""
FEW = 8
"""Agents of a zone up to which only those whom they look at are read, and not the whole zone."""

MODS = """
SELECT id, agent_id, name, effects, expires_tick FROM pac_mods WHERE agent_id = ANY(%s) AND active ORDER BY name
"""

# A watched column: the comment tells the audit trail that it is in the tick log already.
END_MODS = "/*audit by tick*/ UPDATE pac_mods SET active = false, updated_at = now() WHERE id = ANY(%s)"

COUNT_MODS = """
UPDATE pac_agents a SET mod_count = (SELECT count(*) FROM pac_mods m WHERE m.agent_id = a.id AND m.active)
WHERE a.id = ANY(%s)
"""

NEXT_DUE = """
SELECT zone_id, min(due_tick) FROM pac_agents
WHERE zone_id = ANY(%s) AND lifecycle = 'active' AND reasoner <> ALL(%s) GROUP BY zone_id
"""

# Guarded by the tick number: what somebody else has ticked in the meantime is not written over.
# Parameters go in binary, where text needs no escaping. JSON that did not change is null and stays as it lies.
UPDATE = """
UPDATE pac_agents a SET
    energy = u.energy, creativity = u.creativity, focus = u.focus, social = u.social, exploration = u.exploration,
    mood = u.mood, activity = u.activity, current_focus = u.current_focus,
    goals = coalesce(u.goals::json, a.goals), working_memory = coalesce(u.working_memory::json, a.working_memory),
    recent_actions = u.recent_actions, x = u.x, y = u.y,
    tick_number = u.expected + 1, last_tick = u.last_tick, due_tick = u.due_tick, mail = u.mail, updated_at = now()
FROM unnest(%b::uuid[], %b::int8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[],
            %b::float8[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::float8[], %b::float8[],
            %b::int8[], %b::int8[], %b::int8[])
     AS u (id, expected, energy, creativity, focus, social, exploration, mood, activity, current_focus,
           goals, working_memory, recent_actions, x, y, last_tick, due_tick, mail)
WHERE a.id = u.id AND a.tick_number = u.expected
"""

_LOG = {
    "id": "uuid", "agent_id": "uuid", "zone_id": "uuid", "tick_number": "int8", "world_tick": "int8",
    "inserted_at": "timestamptz", "processing_time": "float8", "confidence": "float8", "state_hash": "bytea",
    "action": "text", "reasoning": "text", "narrative": "text", "decision": "json", "review": "json",
    "stat_changes": "json", "state_changes": "json", "memories": "json", "stage_ms": "json",
    "usage": "json", "error": "text",
}  # fmt: skip


class Conflict(Exception):
    """Somebody changed these agents although the zone's lock was held: the chunk is rolled back and redone."""


class Present(NamedTuple):
    """Those of a zone who are looked at in a turn, by ordinal each."""

    due: list[AgentState]
    thinking: list[AgentState]
    """They tick when their model has answered; here they can only be met."""


NONE_PRESENT = Present([], [])


def read_due(zones: Sequence[tuple[UUID, int]], limit: int) -> dict[UUID, Present]:
    """Agents that are due in zones at their ticks, and those who think, by zone in the given order.

    At most `limit` in all: of the last zone that is found, some may be missing.
    """
    if not zones:
        return {}
    ids, ticks = zip(*zones, strict=True)
    found = [Present([], []) for _ in ids]
    params = {"zones": sql.Ids(ids), "ticks": sql.Integers(ticks), "thinking": apart_kinds(), "limit": limit}
    for row in sql.fetch_rows(DUE, params):
        present = found[row[-1] - 1]
        (present.thinking if row[-2] else present.due).append(_agent(row))
    return {zone_id: present for zone_id, present in zip(ids, found, strict=True) if present.due or present.thinking}


def read_one(agent_id: UUID, zone_id: UUID) -> AgentState | None:
    """One active agent, if it is in this zone."""
    rows = sql.fetch_rows(ONE, [agent_id, zone_id])
    return _agent(rows[0]) if rows else None


def _agent(row: tuple[Any, ...]) -> AgentState:
    values = (
        *row[:8],
        dict(zip(TRAITS, row[8:13], strict=True)),
        dict(zip(STATS, row[13:18], strict=True)),
        *row[18:23],
        row[23].split("\n") if row[23] else [],
        *row[24:32],
    )
    return AgentState(*values)


def read_many(wanted: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[AgentState]]:
    """Active agents, each if it is in its zone, for (agent, zone); by zone, by ordinal."""
    found: dict[UUID, list[AgentState]] = defaultdict(list)
    if wanted:
        agents, zones = zip(*wanted, strict=True)
        for row in sql.fetch_rows(MANY, [sql.Ids(agents), sql.Ids(zones)]):
            found[row[-1]].append(_agent(row))
    return found


def read_roster(zone_id: UUID, first_ordinal: int, limit: int) -> list[Bystander]:
    """Who is in the zone from an ordinal on, by ordinal, at most `limit`."""
    return [Bystander(*row) for row in sql.fetch_rows(ROSTER, [zone_id, first_ordinal, limit])]


def read_rosters(lookers: Mapping[UUID, Sequence[int]]) -> dict[UUID, list[Bystander]]:
    """Who is in each of some zones, by ordinal, for its agents of these ordinals; `NOBODY` where none of them looks."""
    wanted = [(zone, n) for zone, few in lookers.items() for n in (few if len(few) <= FEW else [None])]
    if not wanted:
        return {}
    zones, ordinals = zip(*wanted, strict=True)
    params = {"zones": list(zones), "ordinals": list(ordinals), "looked_at": LOOKED_AT}
    found: dict[UUID, list[Bystander]] = {zone: [] for zone in lookers}
    for zone_id, count, place, *bystander in sql.fetch_rows(ROSTERS, params):
        if not (roster := found[zone_id]):
            roster += [NOBODY] * count
        roster[place] = Bystander(*bystander)
    return found


def read_mods(
    ticks: Mapping[UUID, int], *, end: bool = True
) -> tuple[dict[UUID, list[dict[str, Any]]], list[tuple[UUID, str]]]:
    """Effects in force by agent id, and mods whose time is over, as (agent id, name), ended on the way if `end`.

    `ticks` has the world tick for each agent that has mods.
    """
    if not ticks:
        return {}, []
    effects: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    over = []
    for mod_id, agent_id, name, effect, expires_tick in sql.fetch_rows(MODS, [list(ticks)]):
        if expires_tick is not None and expires_tick < ticks[agent_id]:
            over.append((mod_id, agent_id, name))
        else:
            effects[agent_id].append(effect)
    if over and end:
        sql.execute(END_MODS, [[mod_id for mod_id, _, _ in over]])
        sql.execute(COUNT_MODS, [sorted({agent_id for _, agent_id, _ in over})])
    return effects, [(agent_id, name) for _, agent_id, name in over]


def next_due(zone_ids: Sequence[UUID]) -> dict[UUID, int]:
    """First world tick at which one of its agents is due, by zone; without zones where none ticks by itself."""
    return dict(sql.fetch_rows(NEXT_DUE, [list(zone_ids), apart_kinds()]))


def put_off(agent_id: UUID, due_tick: int) -> None:
    """Let an agent's next tick be at `due_tick`."""
    sql.execute("UPDATE pac_agents SET due_tick = %s WHERE id = %s", [due_tick, agent_id])


def write_agents(agents: Sequence[AgentState]) -> None:
    """Write ticked agents back, whose `tick_number` is the new one. Raises: Conflict."""
    floats, integers = sql.Floats, sql.Integers
    stats = zip(*(a.stats.values() for a in agents), strict=True)
    columns = [
        sql.Ids(a.id for a in agents), integers(a.tick_number - 1 for a in agents), *map(floats, stats),
        floats(a.mood for a in agents), [a.activity for a in agents], [a.current_focus for a in agents],
        [orjson.dumps(a.goals).decode() if a.goals_changed else None for a in agents],
        [orjson.dumps(a.memories).decode() if a.memories_changed else None for a in agents],
        ["\n".join(a.actions) for a in agents], floats(a.x for a in agents), floats(a.y for a in agents),
        integers(a.last_tick for a in agents), integers(a.due_tick for a in agents), integers(a.mail for a in agents),
    ]  # fmt: skip
    if (written := sql.execute(UPDATE, columns)) != len(agents):
        raise Conflict(f"{len(agents) - written} of {len(agents)} agents had changed")


def write_logs(rows: Iterable[Sequence[object]]) -> None:
    """Append tick logs, in the order of `_LOG`'s columns."""
    sql.copy("tick_logs", _LOG, rows)

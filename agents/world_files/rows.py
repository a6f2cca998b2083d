"""Changing the agents of a locked world, many at once. Needs an open transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from agents import actions, events
from agents.models import Agent, Mod
from agents.specs import ModSpec
from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from zones.events import zone_stream

TYPES = {
    "description": "text", "openness": "float8", "conscientiousness": "float8", "extraversion": "float8",
    "agreeableness": "float8", "neuroticism": "float8", "capabilities": "jsonb", "reasoner": "text", "model": "text",
    "temperature": "float8", "max_tokens": "int4", "system_prompt": "text", "narrator": "text",
    "movement_range": "float8", "tick_interval": "int4", "goals": "json",
}  # fmt: skip

# A shorter interval counts at once: nobody waits out the old one.
UPDATE = f"""
UPDATE pac_agents a SET
    {", ".join(f"{name} = coalesce(u.{name}, a.{name})" for name in TYPES)},
    due_tick = CASE WHEN u.tick_interval < a.tick_interval
                    THEN greatest(%s + 1, least(a.due_tick, a.last_tick + u.tick_interval)) ELSE a.due_tick END,
    updated_at = now()
FROM jsonb_to_recordset(%s) AS u (id uuid, {", ".join(f"{name} {kind}" for name, kind in TYPES.items())})
WHERE a.id = u.id RETURNING a.id, a.name, a.zone_id
"""
DUE = """
UPDATE pac_zones z SET due_tick = least(z.due_tick, a.due_tick)
FROM (SELECT zone_id, min(due_tick) AS due_tick FROM pac_agents
      WHERE world_id = %s AND lifecycle = 'active' GROUP BY zone_id) a
WHERE a.zone_id = z.id
"""
END_MODS = """
UPDATE pac_mods m SET active = false, updated_at = now()
FROM unnest(%s::uuid[], %s::text[]) AS u (agent_id, name)
WHERE m.agent_id = u.agent_id AND m.name = u.name AND m.active
"""
COUNT_MODS = """
UPDATE pac_agents a SET mod_count = (SELECT count(*) FROM pac_mods m WHERE m.agent_id = a.id AND m.active)
WHERE a.id = ANY(%s) RETURNING a.id, a.name, a.zone_id
"""


def edit(changes: Mapping[UUID, Mapping[str, Any]], *, world: Any, by: str) -> None:
    """Change what loading may change, some columns of each agent; each tells its event."""
    if not changes:
        return
    data = [{"id": agent_id, **values} for agent_id, values in changes.items()]
    found = sql.fetch_rows(UPDATE, [world.tick, sql.jsonb(data)])
    if any("tick_interval" in values for values in changes.values()):
        sql.execute(DUE, [world.pk])
    publish_many([_changed(row, "edited", now=", ".join(sorted(changes[row[0]])), by=by) for row in found])


def change_mods(
    put_on: Sequence[tuple[UUID, ModSpec]], taken_off: Sequence[tuple[UUID, str]], *, world: Any, by: str
) -> None:
    """Put mods on agents, each in place of one of its name, and take others off; each tells its event."""
    ended = [*taken_off, *((agent_id, spec.name) for agent_id, spec in put_on)]
    if not ended:
        return
    sql.execute(END_MODS, [list(column) for column in zip(*ended, strict=True)])
    Mod.objects.bulk_create([actions.build_mod(agent_id, spec, world.tick) for agent_id, spec in put_on])
    found = {row[0]: row for row in sql.fetch_rows(COUNT_MODS, [sorted({agent_id for agent_id, _ in ended})])}
    told = [_changed(found[agent_id], "mod_removed", was=name, by=by) for agent_id, name in taken_off]
    told += [_changed(found[agent_id], "mod_applied", now=spec.name, by=by) for agent_id, spec in put_on]
    publish_many(told)


def _changed(row: tuple[Any, ...], what: str, *, by: str, was: str = "", now: str = "") -> NewEvent:
    agent_id, name, zone_id = row
    payload = events.AgentChanged(agent_id=agent_id, name=name, what=what, was=was, now=now)
    return NewEvent(zone_stream(zone_id), f"agent.{agent_id}.changed", payload, actor=by)


def scatter(world: Any, names: Sequence[str]) -> None:
    """Put agents that have not ticked where the world's seed, as it is now, puts the newborn."""
    found = Agent.objects.filter(world=world, name__in=names, tick_number=0).only("ordinal")
    for agent in (agents := list(found)):
        agent.x, agent.y = actions.birthplace(world.seed, agent.ordinal)
    Agent.objects.bulk_update(agents, ["x", "y"], batch_size=1000)

"""Reads of agents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from agents.errors import NotFound
from agents.models import Agent, Lifecycle, Mod, TickLog
from domains import sql
from domains.thunderflow import queries as thunderflow
from zones import queries as zones
from zones.actions import places
from zones.events import zone_stream, zone_topic


def find(name_or_id: str, *, world: str | None = None, world_id: UUID | None = None) -> Agent:
    """One agent by id, or by name (in one world, when the name is found in several). Raises: NotFound."""
    rows = Agent.objects.select_related("world", "zone")
    try:
        rows = rows.filter(pk=UUID(name_or_id))
    except ValueError:
        rows = rows.filter(name=name_or_id)
    if world:
        rows = rows.filter(world__name=world)
    if world_id:
        rows = rows.filter(world_id=world_id)
    found = list(rows[:2])
    if not found:
        raise NotFound(f"there is no agent {name_or_id!r}" + (f" in {world}" if world else ""))
    if len(found) > 1:
        raise NotFound(f"several worlds have an agent {name_or_id!r}: name the world")
    return found[0]


def agents(
    *, world_id: UUID | None = None, zone_id: UUID | None = None, lifecycle: str | None = None
) -> QuerySet[Agent]:
    """Agents with their world and zone, by name."""
    filters: dict[str, Any] = {"world_id": world_id, "zone_id": zone_id, "lifecycle": lifecycle}
    given = {key: value for key, value in filters.items() if value is not None}
    rows = Agent.objects.filter(**given).select_related("world", "zone")
    return rows.order_by("name")


def names(*, world: str | None = None) -> list[str]:
    """Names of all agents, of one world or of all, each once, sorted."""
    rows = Agent.objects.filter(world__name=world) if world else Agent.objects.all()
    return list(rows.order_by("name").values_list("name", flat=True).distinct())


def taken(world_id: UUID, wanted: Collection[str]) -> set[str]:
    """Which of these names agents of a world have. One query."""
    return set(Agent.objects.filter(world_id=world_id, name__in=wanted).values_list("name", flat=True))


def mods(agent_id: UUID) -> list[Mod]:
    """An agent's mods in force, by name."""
    return list(Mod.objects.filter(agent_id=agent_id, active=True).order_by("name"))


def ticks(agent_id: UUID, *, limit: int = 50, before: int | None = None) -> list[TickLog]:
    """An agent's tick logs, newest first, of ticks below `before` when it is given."""
    rows = TickLog.objects.filter(agent_id=agent_id)
    if before is not None:
        rows = rows.filter(tick_number__lt=before)
    return list(rows.order_by("-tick_number")[:limit])


@dataclass(frozen=True, slots=True)
class Changed:
    """What one tick changed of an agent: stats and mood by their names."""

    at: datetime
    tick_number: int
    changes: dict[str, float]


CHANGES = """
SELECT inserted_at, tick_number, stat_changes, (state_changes->>'mood')::float8 FROM tick_logs
WHERE agent_id = %s ORDER BY tick_number DESC LIMIT %s
"""


def changes(agent_id: UUID, *, limit: int) -> list[Changed]:
    """What an agent's latest ticks changed, newest first. One query, by the index of ticks."""
    return [
        Changed(at, number, stats if mood is None else {**stats, "mood": mood})
        for at, number, stats, mood in sql.fetch_rows(CHANGES, [agent_id, limit])
    ]


@dataclass(frozen=True, slots=True)
class Relation:
    """Another agent that one has to do with: talks among its latest ticks, messages among its latest, either way."""

    id: UUID
    name: str
    lifecycle: str
    zone_id: UUID
    talks: int
    messages: int
    last_tick: int | None
    """World tick of the latest talk."""


RELATIONS = """
WITH latest AS (
    SELECT action, decision, world_tick FROM tick_logs WHERE agent_id = %(agent)s ORDER BY tick_number DESC
    LIMIT %(most)s
), talked AS (
    SELECT decision->'arguments'->>'with' AS name, count(*) AS talks, max(world_tick) AS last_tick
    FROM latest WHERE action = 'socialize' GROUP BY 1
), wrote AS (
    SELECT other, count(*) AS messages FROM (
        (SELECT recipient_id AS other FROM agent_messages WHERE sender_agent_id = %(agent)s
         ORDER BY number DESC LIMIT %(most)s)
        UNION ALL
        (SELECT sender_agent_id FROM agent_messages WHERE recipient_id = %(agent)s ORDER BY number DESC LIMIT %(most)s)
    ) m WHERE other IS NOT NULL GROUP BY other
), met AS (
    SELECT a.id, t.talks, 0 AS messages, t.last_tick
    FROM talked t JOIN pac_agents a ON a.world_id = %(world)s AND a.name = t.name
    UNION ALL
    SELECT other, 0, messages, NULL FROM wrote
)
SELECT a.id, a.name, a.lifecycle, a.zone_id, sum(m.talks)::int, sum(m.messages)::int, max(m.last_tick)
FROM met m JOIN pac_agents a ON a.id = m.id AND a.id <> %(agent)s
GROUP BY a.id ORDER BY sum(m.talks) + sum(m.messages) DESC, a.name LIMIT %(limit)s
"""


def relations(agent: Agent, *, limit: int, most: int = 300) -> list[Relation]:
    """Whom an agent talks with most, by its latest `most` ticks and messages. One query."""
    given = {"agent": agent.pk, "world": agent.world_id, "most": most, "limit": limit}
    return [Relation(*row) for row in sql.fetch_rows(RELATIONS, given)]


def names_of(agent_ids: Collection[UUID]) -> dict[UUID, str]:
    """Names of agents by id. One query."""
    return dict(Agent.objects.filter(pk__in=list(agent_ids)).values_list("pk", "name"))


def world_of(agent_id: UUID) -> UUID:
    """The id of an agent's world."""
    return Agent.objects.values_list("world_id", flat=True).get(pk=agent_id)


def tick_number(agent_id: UUID) -> int:
    """How many ticks an agent has had."""
    return Agent.objects.values_list("tick_number", flat=True).get(pk=agent_id)


def count_by_lifecycle(world_id: UUID | None = None) -> dict[str, int]:
    """How many agents are in each state."""
    rows = Agent.objects.filter(world_id=world_id) if world_id else Agent.objects.all()
    counts = dict(rows.values_list("lifecycle").annotate(n=Count("pk")).order_by())
    return {state: counts.get(state, 0) for state in Lifecycle.values}


# --- For pages -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a list shows of an agent."""

    id: UUID
    name: str
    lifecycle: str
    activity: str
    mood: float
    energy: float


@dataclass(frozen=True, slots=True)
class Narrative:
    """What was told of one tick. `at` is aware UTC."""

    position: int
    at: datetime
    zone_id: UUID
    agent_id: UUID
    name: str
    action: str
    text: str
    mood: float


# By the index on (zone, ordinal): the cost is that of what is shown, however many stand in a zone.
FIRST_IN_ZONES = """
SELECT a.zone_id, a.id, a.name, a.lifecycle, a.activity, a.mood, a.energy
FROM unnest(%s::uuid[]) AS wanted (id), LATERAL (
    SELECT * FROM pac_agents WHERE zone_id = wanted.id AND lifecycle <> 'archived' ORDER BY ordinal LIMIT %s
) a
ORDER BY a.zone_id, a.ordinal
"""


def first_in_zones(zone_ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Glimpse]]:
    """The first agents of each zone by ordinal, at most `limit` each, without archived ones. One query."""
    found: dict[UUID, list[Glimpse]] = {zone_id: [] for zone_id in zone_ids}
    for zone_id, *fields in sql.fetch_rows(FIRST_IN_ZONES, [list(zone_ids), limit]):
        found[zone_id].append(Glimpse(*fields))
    return found


def in_zone(zone_id: UUID, part_of_name: str = "", lifecycle: str = "") -> QuerySet[Agent]:
    """Agents that stand in a zone, by name, without their long fields."""
    rows = Agent.objects.filter(zone_id=zone_id).exclude(lifecycle=Lifecycle.ARCHIVED)
    if lifecycle:
        rows = rows.filter(lifecycle=lifecycle)
    if part_of_name:
        rows = rows.filter(name__icontains=part_of_name)
    return rows.only("name", "lifecycle", "activity", "mood", "energy").order_by("name")


ROW = ("id", "name", "world_id", "zone_id", "lifecycle", "reasoner", "activity", "mood", "energy", "tick_number",
       "last_tick", "mod_count", "updated_at")  # fmt: skip


def page(
    user: Any, *, world_id: UUID | None = None, zone_id: UUID | None = None, lifecycle: str | None = None,
    prefix: str | None = None, after: tuple[UUID, str] | None = None, limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Agents of worlds that a user may see by (world, name), at most `limit`, those behind `after`; `ROW` of each.

    Along the index of names, unless a zone is named. One query.
    """
    given = {"world_id": world_id, "zone_id": zone_id, "lifecycle": lifecycle, "name__startswith": prefix}
    rows = Agent.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if not zones.sees_all(user):
        rows = rows.filter(world__in=zones.worlds(user).order_by().values("pk"))
    if after is not None:
        rows = rows.extra(where=["(pac_agents.world_id, pac_agents.name) > (%s, %s)"], params=after)
    return list(rows.order_by("world_id", "name").values(*ROW)[:limit])


def visible(agent_id: UUID, user: Any) -> Agent | None:
    """An agent of a world that the user may see, with zone, home and world; else None."""
    rows = Agent.objects.select_related("world", "zone__world", "home_zone").defer(
        "working_memory", "zone__happenings", "home_zone__happenings"
    )
    return rows.filter(pk=agent_id, world__in=zones.worlds(user)).first()


def seen_by(user: Any) -> QuerySet[Agent, UUID] | None:
    """Ids of agents of worlds that the user may see, for filters of queries. None: all."""
    if zones.sees_all(user):
        return None
    worlds = zones.worlds(user).order_by().values("pk")
    return Agent.objects.filter(world__in=worlds).order_by().values_list("pk", flat=True)


def visible_agents(
    user: Any, *, world_id: UUID | None = None, zone_id: UUID | None = None, lifecycle: str | None = None
) -> QuerySet[Agent]:
    """Agents of worlds that the user may see, with world and zone, by name."""
    rows = agents(world_id=world_id, zone_id=zone_id, lifecycle=lifecycle)
    return rows.filter(world__in=zones.worlds(user)).defer("working_memory", "zone__happenings")


@dataclass(frozen=True, slots=True)
class Found:
    """An agent as a search lists it."""

    id: UUID
    name: str
    lifecycle: str
    activity: str
    zone: str
    world: str


# Who is called so, then whose name begins so, then who has it in the name; the shorter first.
CALLED = """
SELECT a.id, a.name, a.lifecycle, a.activity, z.name, w.name FROM (
    SELECT id, name, lifecycle, activity, zone_id, world_id,
           CASE WHEN lower(name) = lower(%(text)s) THEN 0 WHEN name ILIKE %(begins)s THEN 1 ELSE 2 END AS how
    FROM pac_agents
    WHERE (name ILIKE %(within)s OR id = %(id)s) AND (%(worlds)s::uuid[] IS NULL OR world_id = ANY(%(worlds)s::uuid[]))
    ORDER BY how, length(name), name, id LIMIT %(limit)s
) a JOIN pac_zones z ON z.id = a.zone_id JOIN worlds w ON w.id = a.world_id
ORDER BY a.how, length(a.name), a.name, a.id
"""


def called(text: str, user: Any, *, limit: int) -> list[Found]:
    """Agents that a user may see whose name has this in it, or whose id it is, best first.

    Looks at every name: some ten milliseconds for ten thousand. One query, one more for who does not see all worlds.
    """
    worlds = None if zones.sees_all(user) else list(zones.worlds(user).order_by().values_list("pk", flat=True))
    likely = sql.like(text)
    given = {"text": text, "begins": f"{likely}%", "within": f"%{likely}%", "id": zones.as_id(text), "limit": limit,
             "worlds": worlds}  # fmt: skip
    return [Found(*row) for row in sql.fetch_rows(CALLED, given)]


def visible_named(name_or_id: str, user: Any, *, world_id: UUID | None = None) -> list[Agent]:
    """Agents of that id or name that the user may see, at most two, with zone and world. One query."""
    rows, id_ = visible_agents(user, world_id=world_id).select_related("zone__world"), zones.as_id(name_or_id)
    return list((rows.filter(pk=id_) if id_ else rows.filter(name=name_or_id))[:2])


def with_places(agent_ids: Collection[UUID]) -> list[Agent]:
    """Agents with their zones and worlds, in no order. One query."""
    rows = Agent.objects.filter(pk__in=list(agent_ids)).select_related("zone__world", "world")
    return list(rows.defer("working_memory", "zone__happenings").order_by())


def visible_names(user: Any, *, world_id: UUID | None = None, most: int = 10_000) -> list[str]:
    """Names of agents that the user may see, some of them where there are more than `most`."""
    rows = Agent.objects.filter(world__in=zones.worlds(user))
    if world_id is not None:
        rows = rows.filter(world_id=world_id)
    return list(rows.order_by().values_list("name", flat=True)[:most])


def may_steer(agent: Agent, user: Any) -> bool:
    """Whether a user may suspend, wake and force an agent: who may modify its zone."""
    return places.has_permission(agent.zone, user, places.Permission.MODIFY_ZONE)


def narratives(*, zone_id: UUID | None = None, limit: int = 30) -> list[Narrative]:
    """The newest narratives, newest first, of all zones (two queries) or of one (one query, by its stream)."""
    if zone_id:
        topic = zone_topic(zone_id, "agent_ticked")
        found = thunderflow.stream_latest(zone_stream(zone_id), topic=topic, limit=limit, within=20_000)
    else:
        found = thunderflow.latest(pattern="zone.*.agent_ticked", limit=limit)
    return [
        Narrative(
            position=event.position,
            at=event.at,
            zone_id=UUID(event.stream.removeprefix("zone:")),
            agent_id=UUID(event.payload["agent_id"]),
            name=event.payload["name"],
            action=event.payload["action"],
            text=event.payload["narrative"],
            mood=event.payload["mood"],
        )
        for event in found
    ]

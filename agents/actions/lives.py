"""Making agents, changing them, and moving them through their lives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from pydantic import ValidationError

from agents import events, reasoners
from agents.actions.locks import lock
from agents.errors import Embodied, Invalid, NotFound, WrongState
from agents.models import TRANSITIONS, Agent, Lifecycle, Mod
from agents.specs import AgentSpec, ModSpec, Traits
from domains import sql
from domains.chance import Chance
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thundergate import tokens
from memory import actions as memory
from zones import events as zone_events
from zones.actions import clock, places, worlds
from zones.errors import AccessDenied

DELETE_ALL = (
    "DELETE FROM agent_messages WHERE world_id = %s",
    "DELETE FROM agent_board_writes WHERE world_id = %s",
    "DELETE FROM mind_calls WHERE world_id = %s",
    "DELETE FROM outside_calls WHERE world_id = %s",
    "DELETE FROM agent_embodiments WHERE agent_id IN (SELECT id FROM pac_agents WHERE world_id = %s)",
    "DELETE FROM mind_thoughts WHERE agent_id IN (SELECT id FROM pac_agents WHERE world_id = %s)",
    "DELETE FROM tick_logs WHERE agent_id IN (SELECT id FROM pac_agents WHERE world_id = %s)",
    "DELETE FROM pac_mods WHERE agent_id IN (SELECT id FROM pac_agents WHERE world_id = %s)",
    "DELETE FROM pac_agents WHERE world_id = %s",
)


# --- Birth ---------------------------------------------------------------------------------------------------


def create(spec: AgentSpec, *, world_id: UUID, zone_id: UUID, by: str, user: Any = None) -> Agent:
    """One agent, as `create_many`."""
    return create_many([(zone_id, spec)], world_id=world_id, by=by, user=user)[0]


def _check_reserved(wanted: Sequence[tuple[Any, AgentSpec]], user: Any) -> None:
    """Raises: AccessDenied where a person asks for what is reserved in a zone that they do not govern."""
    asked = {zone.pk: (zone, names) for zone, spec in wanted if user is not None and (names := spec.reserved())}
    for zone, names in asked.values():
        if not places.governs(zone, user):
            raise AccessDenied(f"only who governs {zone.name} may set {', '.join(names)}; leave them out")


def create_many(
    wanted: Sequence[tuple[UUID, AgentSpec]], *, world_id: UUID, by: str, founding: bool = False, user: Any = None
) -> list[Agent]:
    """Make agents, active, each in its zone, in this order of ordinals, in batches; each tells its event.

    Their first ticks are spread over their intervals. `founding`: as a world file says, also where nobody may be
    born later. `user`: the person who wants it; None: the installation itself. Raises: NotFound, Invalid (a name
    taken, a zone where nobody may be born), zones.errors.AccessDenied, ZoneFull; nothing is made then.
    """
    if not wanted:
        return []
    try:
        with transaction.atomic():
            first, tick, seed = worlds.take_ordinals(world_id, len(wanted))
            zones = places.lock_many(zone_id for zone_id, _ in wanted)
            if any(zone.world_id != world_id for zone in zones.values()):
                raise Invalid("zone: it belongs to another world")
            places.check_all(zones.values(), user, places.Permission.SPAWN_AGENTS)
            _check_reserved([(zones[zone_id], spec) for zone_id, spec in wanted], user)
            if not founding and (barren := [z.name for z in zones.values() if z.closed or not z.spawning]):
                raise Invalid(f"zone: nobody may be born in {', '.join(barren)}")
            agents = [_build(spec, first + i, tick, seed, zones[z]) for i, (z, spec) in enumerate(wanted)]
            Agent.objects.bulk_create(agents, batch_size=1000)
            _add_mods(zip(agents, (spec.mods for _, spec in wanted), strict=True), tick)
            told = []
            for zone in zones.values():
                born = [a for a in agents if a.zone_id == zone.pk]
                places.add_agents(zone, len(born), due_tick=min(a.due_tick for a in born))
                told += [_entered(a, zone, tick, by) for a in born]
            publish_many(told)
    except IntegrityError as error:
        raise Invalid(_taken(error, [spec.name for _, spec in wanted])) from error
    return agents


def birthplace(seed: int, ordinal: int) -> tuple[float, float]:
    """Where in its zone an agent is born that is not put anywhere: x and y."""
    chance = Chance(seed, ordinal, 0, "birth")
    return round(chance.between(0, 100), 3), round(chance.between(0, 100), 3)


def _build(spec: AgentSpec, ordinal: int, tick: int, seed: int, zone: Any) -> Agent:
    fields = spec.columns()
    if spec.position is None:
        fields["x"], fields["y"] = birthplace(seed, ordinal)
    return Agent(
        world_id=zone.world_id,
        zone_id=zone.pk,
        home_zone_id=zone.pk,
        ordinal=ordinal,
        lifecycle=Lifecycle.ACTIVE,
        mod_count=len(spec.mods),
        last_tick=tick,
        due_tick=tick + 1 + ordinal % spec.tick_interval,
        **fields,
    )


def _add_mods(pairs: Any, tick: int) -> None:
    mods = [build_mod(agent.pk, spec, tick) for agent, specs in pairs for spec in specs]
    Mod.objects.bulk_create(mods, batch_size=1000)


def build_mod(agent_id: UUID, spec: ModSpec, tick: int) -> Mod:
    """A mod as it is put on at a world tick; not saved."""
    return Mod(
        agent_id=agent_id,
        name=spec.name,
        kind=spec.kind,
        effects=spec.effects.model_dump(exclude_defaults=True),
        applied_tick=tick,
        expires_tick=None if spec.duration is None else tick + spec.duration,
    )


def _entered(agent: Agent, zone: Any, tick: int, by: str) -> NewEvent:
    payload = zone_events.AgentEntered(
        agent_id=agent.pk,
        name=agent.name,
        session_count=zone.active_session_count,
        tick=tick,
        timestamp=datetime.now(UTC),
    )
    return NewEvent(
        zone_events.zone_stream(zone.pk), zone_events.zone_topic(zone.pk, "agent_entered"), payload, actor=by
    )


def _taken(error: IntegrityError, names: Sequence[str]) -> str:
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    if constraint == "agent_name_unique":
        twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 2000 else []
        which = ", ".join(twice) or (names[0] if len(names) == 1 else "one of these")
        return f"name: {which} is taken in this world"
    return f"it breaks {constraint}"


# --- Lifecycle -----------------------------------------------------------------------------------------------


def activate(agent_ids: Sequence[UUID], *, by: str) -> list[Agent]:
    """Let dormant or suspended agents tick; due at the next world tick. Raises: NotFound, WrongState."""
    return _transition(agent_ids, Lifecycle.ACTIVE, by=by)


def suspend(agent_ids: Sequence[UUID], *, by: str, reason: str = "") -> list[Agent]:
    """Stop active agents where they are. Raises: NotFound, WrongState."""
    return _transition(agent_ids, Lifecycle.SUSPENDED, by=by, reason=reason)


def archive(agent_ids: Sequence[UUID], *, by: str, reason: str = "") -> list[Agent]:
    """Take agents out of their zones; all they were is kept. Raises: NotFound, WrongState."""
    return _transition(agent_ids, Lifecycle.ARCHIVED, by=by, reason=reason)


def unarchive(agent_ids: Sequence[UUID], *, by: str) -> list[Agent]:
    """Put archived agents back into their zones, dormant. Raises: NotFound, WrongState, zones.errors.ZoneFull."""
    return _transition(agent_ids, Lifecycle.DORMANT, by=by)


def _transition(agent_ids: Sequence[UUID], to: str, *, by: str, reason: str = "") -> list[Agent]:
    """Move agents to a state, all or none, with their zones locked and their events told."""
    with transaction.atomic():
        agents, zones = lock(agent_ids)
        for agent in agents:
            if to not in TRANSITIONS[agent.lifecycle]:
                allowed = ", ".join(sorted(TRANSITIONS[agent.lifecycle]))
                raise WrongState(f"{agent.name} is {agent.lifecycle}; from there it can become {allowed}")
        if to == Lifecycle.DORMANT and (shut := [z.name for z in zones.values() if z.closed]):
            raise WrongState(f"{', '.join(shut)}: closed, nobody can come in")
        told = []
        for world, theirs in groupby(sorted(agents, key=lambda a: a.world_id), key=lambda a: a.world):
            told += _change_in(world, list(theirs), zones, to)
        told += [_changed(agent, "lifecycle", was=agent.lifecycle, now=to, reason=reason, by=by) for agent in agents]
        publish_many(told)
        if to in (Lifecycle.SUSPENDED, Lifecycle.ARCHIVED):
            tokens.revoke_of_agents(agent_ids, by=by, reason=f"the agent was {to}")
    for agent in agents:
        agent.refresh_from_db()
    return agents


def _change_in(world: Any, agents: Sequence[Agent], zones: Mapping[UUID, Any], to: str) -> list[NewEvent]:
    """Change agents of one world, by its clock."""
    changes: dict[str, Any] = {"lifecycle": to}
    if to == Lifecycle.ACTIVE:
        changes |= {"due_tick": world.tick + 1, "last_tick": world.tick}
    Agent.objects.filter(pk__in=[a.pk for a in agents]).update(**changes)
    return _move_in_or_out(agents, zones, to, world.tick)


def _move_in_or_out(agents: Sequence[Agent], zones: Mapping[UUID, Any], to: str, tick: int) -> list[NewEvent]:
    """Keep the zones' counts and turns right for a change of state; whoever is away has no place taken."""
    by_zone: dict[UUID, list[Agent]] = defaultdict(list)
    for agent in agents:
        by_zone[agent.zone_id].append(agent)
    told = []
    for zone_id, here in by_zone.items():
        zone = zones[zone_id]
        if to == Lifecycle.ARCHIVED:
            places.remove_agents(zone, len(here))
            clock.cancel_crossings([a.pk for a in here])
            told += [_left(agent, zone, tick) for agent in here]
        elif to == Lifecycle.DORMANT:
            returning = [a for a in here if a.lifecycle == Lifecycle.ARCHIVED]
            places.add_agents(zone, len(returning), due_tick=tick + 1)
            told += [_entered(agent, zone, tick, "") for agent in returning]
        elif to == Lifecycle.ACTIVE:
            places.make_due(zone, tick=tick + 1)
    return told


def _left(agent: Agent, zone: Any, tick: int) -> NewEvent:
    payload = zone_events.AgentLeft(
        agent_id=agent.pk,
        name=agent.name,
        session_count=zone.active_session_count,
        tick=tick,
        timestamp=datetime.now(UTC),
    )
    return NewEvent(zone_events.zone_stream(zone.pk), zone_events.zone_topic(zone.pk, "agent_left"), payload)


def _changed(agent: Agent, what: str, *, by: str, was: str = "", now: str = "", reason: str = "") -> NewEvent:
    payload = events.AgentChanged(agent_id=agent.pk, name=agent.name, what=what, was=was, now=now, reason=reason)
    return NewEvent(zone_events.zone_stream(agent.zone_id), f"agent.{agent.pk}.changed", payload, actor=by)


# --- Mods ----------------------------------------------------------------------------------------------------


def apply_mod(agent_id: UUID, spec: ModSpec, *, by: str) -> Mod:
    """Put a mod on an agent, in force from its next tick; one of the same name is replaced. Raises: NotFound."""
    with transaction.atomic():
        agents, _ = lock([agent_id])
        agent = agents[0]
        Mod.objects.filter(agent_id=agent_id, name=spec.name, active=True).update(active=False)
        mod = build_mod(agent_id, spec, agent.world.tick)
        mod.save(force_insert=True)
        _recount(agent_id)
        publish_many([_changed(agent, "mod_applied", now=spec.name, by=by)])
    return mod


def remove_mod(agent_id: UUID, name: str, *, by: str) -> None:
    """Take a mod off an agent. Raises: NotFound when it has none of that name in force."""
    with transaction.atomic():
        agents, _ = lock([agent_id])
        if not Mod.objects.filter(agent_id=agent_id, name=name, active=True).update(active=False):
            raise NotFound(f"{agents[0].name} has no mod {name!r} in force")
        _recount(agent_id)
        publish_many([_changed(agents[0], "mod_removed", was=name, by=by)])


def _recount(agent_id: UUID) -> None:
    count = Mod.objects.filter(agent_id=agent_id, active=True).count()
    Agent.objects.filter(pk=agent_id).update(mod_count=count)


def edit(agent_id: UUID, changes: Mapping[str, Any], *, by: str) -> Agent:
    """Change what ticks leave alone: description, traits, interval and the like.

    Raises: NotFound, Invalid, Embodied (its reasoner, while a client lives as it).
    """
    allowed = set(AgentSpec.EDITABLE)
    if unknown := changes.keys() - allowed:
        raise Invalid(f"{', '.join(sorted(unknown))}: cannot be changed; {', '.join(sorted(allowed))} can")
    values = _checked(changes)
    with transaction.atomic():
        agents, zones = lock([agent_id])
        agent = agents[0]
        if "reasoner" in values and agent.reasoner == reasoners.EMBODIED:
            raise Embodied(f"{agent.name} is embodied; who decides for it can be changed once it is given back")
        for name, value in values.items():
            setattr(agent, name, value)
        if "tick_interval" in values and agent.last_tick + agent.tick_interval < agent.due_tick:
            agent.due_tick = max(agent.world.tick + 1, agent.last_tick + agent.tick_interval)
            places.make_due(zones[agent.zone_id], tick=agent.due_tick)
        agent.save(update_fields=[*values, "due_tick", "updated_at"])
        publish_many([_changed(agent, "edited", now=", ".join(sorted(changes)), by=by)])
    return agent


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of columns as a new agent's would be checked. Raises: Invalid."""
    traits = {name: value for name, value in changes.items() if name in Traits.model_fields}
    rest = {name: value for name, value in changes.items() if name not in traits}
    try:
        columns = AgentSpec.model_validate({"name": "somebody", "traits": traits, **rest}).columns()
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(f"{first['loc'][-1]}: {first['msg']}") from error
    return {name: columns[name] for name in changes}


def delete_all(world_id: UUID) -> int:
    """Delete a world's agents with all they did and remember. Returns how many. Needs an open transaction."""
    memory.forget_world(world_id)
    return [sql.execute(statement, [world_id]) for statement in DELETE_ALL][-1]

"""Agent files brought to life: the whole file is checked first, then all of it is written in one transaction.

Talks to PostgreSQL by COPY; `memory.carrying` writes what it remembers, with new vectors. All ids are new.
The world's ordinals are locked first and the zone after them, as for a birth.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock_time
from itertools import groupby, islice
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

import psycopg
from django.db import DataError, IntegrityError, transaction

from agents import events
from agents.engine import rows
from agents.errors import Invalid
from agents.models import Agent, Lifecycle
from agents.transfer import format, reading
from agents.transfer.format import (
    AgentRecord,
    Counts,
    EdgeRecord,
    EntityRecord,
    FactRecord,
    MemoryRecord,
    MessageRecord,
    ModRecord,
    Progress,
    TickRecord,
)
from agents.transfer.reading import Survey
from domains import sql
from domains.ids import Numbered, new_raw_id
from domains.thunderflow.actions import NewEvent, publish_many
from memory import carrying
from zones import events as zone_events
from zones.actions import places, worlds
from zones.errors import ZoneFull

BATCH = 1000
DAYS_AT_ONCE = 50
"""Leaves of the tick log that one transaction makes: each takes a handful of locks."""

_STAMPS = {"inserted_at": "timestamptz", "updated_at": "timestamptz"}
_MODS = {
    "id": "uuid", "agent_id": "uuid", "name": "text", "kind": "text", "effects": "jsonb", "applied_tick": "int8",
    "expires_tick": "int8", "active": "bool", **_STAMPS,
}  # fmt: skip
_MESSAGES = {
    "number": "int8", "world_id": "uuid", "conversation": "uuid", "turn": "int2", "sender": "text",
    "sender_agent_id": "uuid", "recipient_id": "uuid", "to": "text", "text": "text", "reply_to_id": "int8",
    "impersonated_by": "text", "status": "text", "sent_tick": "int8", "arrived_tick": "int8", "done_tick": "int8",
    "inserted_at": "timestamptz",
}  # fmt: skip

NUMBERS = """
SELECT nextval(pg_get_serial_sequence('agent_messages', 'number')) FROM generate_series(1, %s::int) ORDER BY 1
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrived:
    """An agent that was brought in. `zone` is the locked row, as it was before."""

    agent: Agent
    zone: Any
    tick: int
    counts: Counts


def bring(
    file: BinaryIO,
    *,
    world_id: UUID,
    zone_id: UUID,
    by: str,
    now: datetime,
    name: str | None = None,
    progress: Progress | None = None,
) -> Arrived:
    """Let the agent of a file live in a zone, under a new name if one is given, due at the next world tick.

    Opens the one transaction. Raises: BadAgentFile, Invalid (name taken, nobody may come), NotFound of zones,
    ZoneFull; nothing has been changed then, but that empty tables for days of history may be there.
    """
    half = _halves(progress)
    survey = reading.survey(file, now=now, progress=half(0))
    record = survey.agent if name is None else _renamed(survey.agent, name)
    try:
        _check_welcome(_locked(world_id, zone_id), record)
        _make_leaves(survey.days)
        with transaction.atomic(durable=True):
            ordinal, tick, _ = worlds.take_ordinals(world_id, 1)
            zone = _locked(world_id, zone_id)
            _check_welcome(zone, record)
            agent = _birth(record, survey, zone, ordinal, tick)
            agent.save(force_insert=True)
            _Luggage(agent, tick, now).write(file, half(1))
            _tell(agent, survey, zone, tick, by)
    except (IntegrityError, DataError, psycopg.IntegrityError, psycopg.DataError) as error:
        raise Invalid(_broken(error, record.name)) from error
    return Arrived(agent, zone, tick, survey.header.counts)


def _halves(progress: Progress | None) -> Callable[[int], Progress | None]:
    """The file is gone through twice: to check it, and to write it."""
    if progress is None:
        return lambda _: None
    return lambda half: lambda done, total: progress(half * total + done, 2 * total)


def _renamed(record: AgentRecord, name: str) -> AgentRecord:
    """Raises: Invalid."""
    try:
        return format.check(AgentRecord, {**record.model_dump(), "name": name.strip()}, at="--name")
    except format.BadAgentFile as error:
        raise Invalid(str(error)) from error


# --- The place -----------------------------------------------------------------------------------------------


def _locked(world_id: UUID, zone_id: UUID) -> Any:
    """The zone's row, locked until the end of the transaction if one is open. Raises: NotFound, Invalid."""
    with transaction.atomic():
        zone = places.lock_many([zone_id])[zone_id]
    if zone.world_id != world_id:
        raise Invalid("zone: it belongs to another world")
    return zone


def _check_welcome(zone: Any, agent: AgentRecord) -> None:
    """Raises: Invalid, ZoneFull."""
    if zone.closed or not zone.spawning:
        why = "it is closed" if zone.closed else "nobody may be born there"
        raise Invalid(f"zone: {agent.name} cannot come into {zone.name}: {why}")
    if agent.lifecycle != Lifecycle.ARCHIVED and zone.agent_count >= zone.capacity:
        raise ZoneFull(f"{zone.name} is full: it has place for {zone.capacity}")
    if Agent.objects.filter(world_id=zone.world_id, name=agent.name).exists():
        raise Invalid(_taken(agent.name))


def _taken(name: str) -> str:
    return f"name: {name} is taken in this world; --name gives another one"


def _broken(error: Exception, name: str) -> str:
    diagnosis = getattr(error if isinstance(error, psycopg.Error) else error.__cause__, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None)
    if constraint == "agent_name_unique":
        return _taken(name)
    return f"the file breaks {constraint}" if constraint else f"the file holds what cannot be stored: {error}"


def _make_leaves(days: set[date]) -> None:
    """See to it that the log has a leaf for each day. By itself: others who make some must not wait for the writing."""
    wanted = [datetime.combine(day, clock_time(), UTC) for day in sorted(days)]
    for batch in _batches(wanted, DAYS_AT_ONCE):
        with transaction.atomic():
            sql.execute("SET LOCAL lock_timeout = '10s'")
            for instant in batch:
                sql.execute("SELECT tick_log_ensure_leaves(%s::timestamptz, 0)", [instant])


# --- The agent -----------------------------------------------------------------------------------------------


def _birth(record: AgentRecord, survey: Survey, zone: Any, ordinal: int, tick: int) -> Agent:
    """Its row; not saved."""
    fields = record.model_dump()
    fields["working_memory"] = [[tick - ago, *rest] for ago, *rest in record.working_memory]
    return Agent(
        world_id=zone.world_id,
        zone_id=zone.pk,
        home_zone_id=zone.pk,
        ordinal=ordinal,
        mod_count=survey.in_force,
        mail=survey.waiting,
        last_tick=tick,
        due_tick=tick + 1,
        **fields,
    )


def _tell(agent: Agent, survey: Survey, zone: Any, tick: int, by: str) -> None:
    """Count it in its zone and tell of it, as of a birth; who is archived takes no place and enters nowhere."""
    stream, told = zone_events.zone_stream(zone.pk), []
    if agent.lifecycle != Lifecycle.ARCHIVED:
        places.add_agents(zone, 1, due_tick=agent.due_tick)
        entered = zone_events.AgentEntered(
            agent_id=agent.pk,
            name=agent.name,
            session_count=zone.active_session_count,
            tick=tick,
            timestamp=datetime.now(UTC),
        )
        told.append(NewEvent(stream, zone_events.zone_topic(zone.pk, "agent_entered"), entered, actor=by))
    changed = events.AgentChanged(
        agent_id=agent.pk,
        name=agent.name,
        what="imported",
        was=survey.agent.name,
        reason=f"it lived in {survey.header.world} until tick {survey.header.world_tick}",
    )
    publish_many([*told, NewEvent(stream, f"agent.{agent.pk}.changed", changed, actor=by)])


# --- What it brings along ------------------------------------------------------------------------------------


class _Luggage:
    """Writes what belongs to an agent, one sort after the other, as it is read."""

    def __init__(self, agent: Agent, tick: int, now: datetime) -> None:
        self.agent, self.tick, self.now = agent, tick, now
        self.memory, self.conversation_ids = carrying.Arrival(agent.pk, now), Numbered()

    def write(self, file: BinaryIO, progress: Progress | None) -> None:
        """All that follows the agent in the file. Needs an open transaction. Raises: BadAgentFile."""
        writers: dict[type, Callable[[Iterator[Any]], None]] = {
            ModRecord: lambda found: sql.copy("pac_mods", _MODS, map(self._mod, found)),
            MemoryRecord: self.memory.remember,
            EdgeRecord: self.memory.tie,
            EntityRecord: self.memory.name,
            FactRecord: self.memory.know,
            TickRecord: lambda found: rows.write_logs(map(self._log, found)),
            MessageRecord: self._messages,
        }
        for kind, found in groupby(reading.read(file, progress=progress), key=type):
            if write := writers.get(kind):
                write(found)

    def _mod(self, mod: ModRecord) -> tuple[Any, ...]:
        expires = None if mod.remaining is None else self.tick + mod.remaining
        effects = mod.effects.model_dump(exclude_defaults=True)
        applied = self.tick - mod.applied_ago
        return (
            new_raw_id(), self.agent.pk, mod.name, mod.kind, effects, applied, expires, mod.active, self.now, self.now,
        )  # fmt: skip

    def _log(self, tick: TickRecord) -> tuple[Any, ...]:
        return (
            new_raw_id(), self.agent.pk, self.agent.zone_id, tick.tick_number, tick.world_tick, tick.inserted_at,
            tick.processing_time, tick.confidence, bytes.fromhex(tick.state_hash), tick.action, tick.reasoning,
            tick.narrative, tick.decision, tick.review, tick.stat_changes, tick.state_changes,
            [str(self.memory.ids[number]) for number in tick.memories], tick.stage_ms, tick.usage, tick.error,
        )  # fmt: skip

    def _messages(self, found: Iterator[MessageRecord]) -> None:
        """By the batch: what answers an earlier one needs its number, which the database gives."""
        numbers = array("q", [0])
        for batch in _batches(found, BATCH):
            numbers.extend(number for (number,) in sql.fetch_rows(NUMBERS, [len(batch)]))
            first = len(numbers) - len(batch)
            sql.copy("agent_messages", _MESSAGES, [self._message(m, first + i, numbers) for i, m in enumerate(batch)])

    def _message(self, m: MessageRecord, place: int, numbers: array[int]) -> tuple[Any, ...]:
        me, waits = self.agent.pk, m.status == "waiting"
        return (
            numbers[place], self.agent.world_id, self.conversation_ids[m.conversation], m.turn, m.sender,
            None if m.heard else me, me if m.heard else None, m.to, m.text,
            None if m.reply_to is None else numbers[m.reply_to], m.impersonated_by, m.status,
            self.tick if waits else m.sent_tick, self.tick if waits else m.arrived_tick, m.done_tick, m.inserted_at,
        )  # fmt: skip


def _batches(found: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(found)
    while batch := list(islice(iterator, size)):
        yield batch

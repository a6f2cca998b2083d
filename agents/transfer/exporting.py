"""A living agent as an agent file. Reads one snapshot, row by row, and writes nothing to the database.

Talks to PostgreSQL by cursors of its own, in the words of `memory.carrying` for what the agent remembers; vectors are
left out, as the embedder may be another one where the file is read. No key and no call of a model is read here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

import orjson
import psycopg
from django.db import connection, transaction
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from agents.errors import NotFound
from agents.models import Agent
from agents.transfer import format
from agents.transfer.format import (
    RECORDS,
    AgentRecord,
    BadAgentFile,
    Counts,
    EdgeRecord,
    EntityRecord,
    FactRecord,
    Header,
    MemoryRecord,
    MessageRecord,
    ModRecord,
    Progress,
    Record,
    TickRecord,
    Trailer,
)
from domains import sql
from memory import carrying

ROWS = 500
"""Rows that are fetched at once."""
TOLD_EVERY = 100

COUNTED: Mapping[str, str] = {
    "mods": "SELECT count(*) FROM pac_mods WHERE agent_id = %(agent)s",
    **carrying.COUNTS,
    "ticks": "SELECT count(*) FROM tick_logs WHERE agent_id = %(agent)s",
    "messages": """SELECT count(*) FROM agent_messages
                   WHERE recipient_id = %(agent)s OR sender_agent_id = %(agent)s""",
}
COUNTS = "SELECT " + ", ".join(f"({query}) AS {name}" for name, query in COUNTED.items())

MODS = """
SELECT name, kind, effects, active, %(tick)s - applied_tick AS applied_ago, expires_tick - %(tick)s AS remaining
FROM pac_mods WHERE agent_id = %(agent)s ORDER BY applied_tick, id
"""

# Joined all at once and not by the tick: numbers are found by hashing, however many ticks and memories there are.
TICKS = f"""{carrying.NUMBERED}, formed AS (
    SELECT l.tick_number, json_agg(k.number ORDER BY m.place) AS memories
    FROM tick_logs l, json_array_elements_text(l.memories) WITH ORDINALITY AS m (id, place)
    JOIN known k ON k.id = m.id::uuid WHERE l.agent_id = %(agent)s GROUP BY l.tick_number
)
SELECT l.tick_number, l.world_tick, l.inserted_at, l.processing_time, l.confidence,
       encode(l.state_hash, 'hex') AS state_hash, l.action, l.reasoning, l.narrative, l.decision, l.review,
       l.stat_changes, l.state_changes, coalesce(f.memories, '[]') AS memories, l.stage_ms, l.usage, l.error
FROM tick_logs l LEFT JOIN formed f ON f.tick_number = l.tick_number
WHERE l.agent_id = %(agent)s ORDER BY l.tick_number
"""

# What is on its way arrives with the agent. What it said stays with those who hear it: for it, that is done.
MESSAGES = """
WITH mine AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY number) AS place, recipient_id IS NOT DISTINCT FROM %(agent)s AS heard
    FROM agent_messages WHERE recipient_id = %(agent)s OR sender_agent_id = %(agent)s
), told AS (
    SELECT *, min(place) OVER (PARTITION BY conversation) AS first, heard AND status IN ('sent', 'waiting') AS waits
    FROM mine
)
SELECT m.heard, m.first AS conversation, m.turn, m.sender, m."to", m.text, r.place AS reply_to, m.impersonated_by,
       CASE WHEN m.waits THEN 'waiting' WHEN m.heard THEN m.status ELSE 'read' END AS status,
       CASE WHEN NOT m.waits THEN m.sent_tick END AS sent_tick,
       CASE WHEN NOT m.waits THEN m.arrived_tick END AS arrived_tick,
       CASE WHEN NOT m.waits THEN m.done_tick END AS done_tick, m.inserted_at
FROM told m LEFT JOIN mine r ON r.number = m.reply_to_id ORDER BY m.place
"""

_QUERIES: Mapping[type[Record], str] = {
    ModRecord: MODS,
    MemoryRecord: carrying.MEMORIES,
    EdgeRecord: carrying.EDGES,
    EntityRecord: carrying.ENTITIES,
    FactRecord: carrying.FACTS,
    TickRecord: TICKS,
    MessageRecord: MESSAGES,
}


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    name: str
    world: str
    counts: Counts
    size: int
    checksum: str


def export(agent_id: UUID, out: BinaryIO, *, now: datetime, progress: Progress | None = None) -> Written:
    """Write an agent with all it is and was. It goes on living meanwhile; the file has it as it was at one moment.

    Raises: NotFound, BadAgentFile when it has grown something that no file can hold.
    """
    digest, lines, size = hashlib.sha256(), 0, 0
    with _snapshot():
        header, agent = _beginning(agent_id, now)
        total = 1 + sum(header.counts.model_dump().values())
        for text in _all_lines(header, agent, agent_id):
            out.write(text)
            digest.update(text)
            lines, size = lines + 1, size + len(text)
            if progress and lines % TOLD_EVERY == 0:
                progress(lines, total)
    trailer = format.plain_line(Trailer(checksum=digest.hexdigest(), lines=lines))
    out.write(trailer)
    if progress:
        progress(total, total)
    return Written(agent.name, header.world, header.counts, size + len(trailer), digest.hexdigest())


def _all_lines(header: Header, agent: AgentRecord, agent_id: UUID) -> Iterator[bytes]:
    yield format.plain_line(header)
    yield format.line(agent)
    params = {"agent": agent_id, "tick": header.world_tick}
    for tag, kind in RECORDS.items():
        if kind in _QUERIES:
            for number, row in enumerate(_rows(_QUERIES[kind], params, tag), 1):
                yield format.line(format.check(kind, row, at=f"{agent.name}'s {tag} {number} cannot be written"))


@contextmanager
def _snapshot() -> Iterator[None]:
    """One moment for all queries, if no transaction is open yet."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _beginning(agent_id: UUID, now: datetime) -> tuple[Header, AgentRecord]:
    agent = Agent.objects.select_related("world").filter(pk=agent_id).first()
    if agent is None:
        raise NotFound(f"there is no agent {agent_id}")
    tick = agent.world.tick
    counts = sql.fetch(COUNTS, {"agent": agent_id})[0]
    header = {"exported_at": now, "world": agent.world.name, "world_tick": tick, "counts": counts}
    fields = {name: getattr(agent, name) for name in AgentRecord.model_fields}
    try:
        fields["working_memory"] = [(tick - then, *rest) for then, *rest in agent.working_memory]
    except (TypeError, ValueError) as error:
        raise BadAgentFile(f"{agent.name} cannot be written: its working memory is no list of memories") from error
    at = f"{agent.name} cannot be written"
    return format.check(Header, header, at=at), format.check(AgentRecord, fields, at=at)


def _rows(query: str, params: Mapping[str, object], name: str) -> Iterator[dict[str, Any]]:
    """Rows as they are fetched, some hundred at a time. Needs an open transaction."""
    with psycopg.ServerCursor(sql.raw(), f"export_{name}", row_factory=dict_row) as cursor:
        set_json_loads(orjson.loads, cursor)  # Django leaves jsonb as text
        cursor.itersize = ROWS
        cursor.execute(query.encode(), params)
        yield from cursor

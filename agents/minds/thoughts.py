"""Leases on agents who think: taking them, giving them up, and what is lost when a process dies.

A row of `mind_thoughts` says that somebody thinks for an agent, and until when that holds by the database's clock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from agents.minds import calls
from agents.reasoners import thinking_kinds
from domains import sql
from domains.ids import new_id

LEASE_S = 15.0
"""How long a process may keep silent before another takes over what it was thinking."""
RENEW_S = 4.0

# The row of who thinks already stays as it is; the loser of a race waits for the winner's commit and gets nothing.
# Zones that others think in come last: who shares a zone with another process waits for its lock.
TAKE = """
WITH held AS (
    SELECT b.zone_id, bool_or(t.holder <> %(holder)s) AS by_others
    FROM mind_thoughts t JOIN pac_agents b ON b.id = t.agent_id WHERE t.expires_at > now() GROUP BY 1
), due AS (
    SELECT a.id, w.tick FROM pac_agents a JOIN worlds w ON w.id = a.world_id
    LEFT JOIN mind_thoughts t ON t.agent_id = a.id LEFT JOIN held h ON h.zone_id = a.zone_id
    WHERE a.reasoner <> 'rules' AND a.reasoner = ANY(%(kinds)s) AND a.lifecycle = 'active' AND a.due_tick <= w.tick
      AND (t.agent_id IS NULL OR t.expires_at <= now())
    ORDER BY a.due_tick, h.by_others IS TRUE, a.zone_id, a.id LIMIT %(most)s
), before AS (
    SELECT t.agent_id, t.call_id, t.holder FROM mind_thoughts t JOIN due ON due.id = t.agent_id
), taken AS (
    INSERT INTO mind_thoughts AS t (agent_id, asked_tick, attempt, call_id, holder, expires_at, last_error)
    SELECT id, tick, 1, (%(calls)s::uuid[])[row_number() OVER (ORDER BY id)], %(holder)s,
           now() + make_interval(secs => %(lease)s), '' FROM due ORDER BY id
    ON CONFLICT (agent_id) DO UPDATE
    SET holder = excluded.holder, expires_at = excluded.expires_at, call_id = excluded.call_id,
        attempt = t.attempt + (t.holder IS NOT NULL)::int,
        last_error = CASE WHEN t.holder IS NULL THEN t.last_error ELSE 'the process that asked has died' END
    WHERE t.expires_at <= now()
    RETURNING t.agent_id, t.attempt, t.asked_tick, t.call_id, t.last_error
)
SELECT taken.agent_id, a.zone_id, a.world_id, taken.attempt, taken.asked_tick, taken.call_id, taken.last_error,
       CASE WHEN before.holder IS NOT NULL THEN before.call_id END,
       now(), a.model, a.description, a.system_prompt, a.temperature, a.max_tokens
FROM taken JOIN pac_agents a ON a.id = taken.agent_id LEFT JOIN before ON before.agent_id = taken.agent_id
"""

# For who acts and is due again in the same transaction: the lease goes on for another thought.
AGAIN = """
UPDATE mind_thoughts t SET asked_tick = u.tick, attempt = 1, call_id = u.call_id, last_error = ''
FROM unnest(%s::uuid[], %s::int8[], %s::uuid[]) AS u (agent_id, tick, call_id)
JOIN pac_agents a ON a.id = u.agent_id
WHERE t.agent_id = u.agent_id AND t.holder = %s
RETURNING t.agent_id, a.zone_id, a.world_id, t.attempt, t.asked_tick, t.call_id, t.last_error, NULL::uuid,
          now(), a.model, a.description, a.system_prompt, a.temperature, a.max_tokens
"""

RETRY = """
UPDATE mind_thoughts t SET holder = NULL, call_id = NULL, attempt = t.attempt + 1, last_error = u.error,
    expires_at = now() + make_interval(secs => u.delay_s)
FROM unnest(%s::uuid[], %s::float8[], %s::text[]) AS u (agent_id, delay_s, error)
WHERE t.agent_id = u.agent_id AND t.holder = %s
"""

POSTPONE = """
UPDATE mind_thoughts SET holder = NULL, expires_at = now() + make_interval(secs => %s)
WHERE agent_id = ANY(%s) AND holder = %s
"""

FINISH = "DELETE FROM mind_thoughts WHERE agent_id = ANY(%s) AND holder = %s RETURNING agent_id"

RENEW = """
UPDATE mind_thoughts SET expires_at = now() + make_interval(secs => %s) WHERE holder = %s AND agent_id = ANY(%s)
"""

STOP = """
UPDATE mind_calls SET status = 'stopped', error = 'its process was asked to end'
WHERE status = 'open' AND id IN (SELECT call_id FROM mind_thoughts WHERE holder = %s)
"""
RELEASE = "UPDATE mind_thoughts SET holder = NULL, call_id = NULL, expires_at = now() WHERE holder = %s"

SEEN = """
INSERT INTO mind_reasoners (id, node, pid, in_flight, seen_at) VALUES (%s, %s, %s, %s, now())
ON CONFLICT (id) DO UPDATE SET in_flight = excluded.in_flight, seen_at = now()
"""
FORGET = "DELETE FROM mind_reasoners WHERE id = %s OR seen_at < now() - interval '1 hour'"


class Taken(NamedTuple):
    """An agent whose thinking is ours until the lease ends."""

    agent_id: UUID
    zone_id: UUID
    world_id: UUID
    attempt: int
    """The next call's number for this decision, from 1."""
    asked_tick: int
    call_id: UUID
    """For the next call, if there is to be one."""
    last_error: str
    lost_call: UUID | None
    """A call of a process that died."""
    at: datetime
    """When it was taken, aware UTC, by the database's clock."""
    model: str
    """Names the endpoint, or two."""
    description: str
    system_prompt: str
    temperature: float
    max_tokens: int


def take(holder: UUID, most: int) -> list[Taken]:
    """Lease up to `most` agents who are due and whom nobody thinks for. Calls lost on the way are noted as such."""
    params = {"kinds": thinking_kinds(), "most": most, "holder": holder, "lease": LEASE_S}
    params["calls"] = [new_id() for _ in range(most)]
    with transaction.atomic():  # whose lease is ours names the lost call no more
        found = [Taken(*row) for row in sql.fetch_rows(TAKE, params)]
        calls.lose([taken.lost_call for taken in found if taken.lost_call])
    return found


def again(holder: UUID, due: Sequence[tuple[UUID, int]]) -> list[Taken]:
    """Go on with agents who are ours and are due again, as (agent, world tick)."""
    if not due:
        return []
    ids, ticks = zip(*due, strict=True)
    return [Taken(*row) for row in sql.fetch_rows(AGAIN, [list(ids), list(ticks), [new_id() for _ in ids], holder])]


def retry(holder: UUID, wanted: Sequence[tuple[UUID, float, str]]) -> None:
    """Let anybody try again after a while, as (agent, seconds, error)."""
    if wanted:
        sql.execute(RETRY, [*(list(column) for column in zip(*wanted, strict=True)), holder])


def postpone(holder: UUID, agent_ids: Sequence[UUID], seconds: float) -> None:
    """Give leases back for the time being, the tries as they are."""
    if agent_ids:
        sql.execute(POSTPONE, [seconds, list(agent_ids), holder])


def finish(holder: UUID, agent_ids: Sequence[UUID]) -> set[UUID]:
    """End what is still ours; only these may act on it. Needs the transaction in which they act."""
    sql.require_transaction("finishing thoughts")
    if not agent_ids:
        return set()
    return {row[0] for row in sql.fetch_rows(FINISH, [list(agent_ids), holder])}


def renew(holder: UUID, agent_ids: Sequence[UUID], in_flight: int) -> None:
    """Tell that this process lives and goes on thinking for these. What it has forgotten about runs out."""
    sql.execute(RENEW, [LEASE_S, holder, list(agent_ids)])
    sql.execute(SEEN, [holder, socket.gethostname(), os.getpid(), in_flight])


def release(holder: UUID) -> None:
    """Let others have all at once, as this process ends."""
    with transaction.atomic():
        sql.execute(STOP, [holder])
        sql.execute(RELEASE, [holder])
    sql.execute(FORGET, [holder])

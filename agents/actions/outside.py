"""Calls of outside tools once their tick is over: leased to a process, made by it, answered by a message.

A call is done at least once outside, and answered exactly once here: only who holds its lease ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import transaction

from agents.actions import messages
from agents.actions.locks import lock
from agents.converse import TOOL, storable
from agents.errors import NotFound, WrongState
from agents.models import OutsideCall
from agents.models.messages import MAX_TEXT
from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many

LEASE_S, RENEW_S = 15.0, 4.0
MOST_RESULT = 64_000
"""Characters of a result that are kept."""
MOST_TOLD = 2_000
"""Of them that the agent is told."""
DONE, FAILED, REFUSED = OutsideCall.Status.DONE, OutsideCall.Status.FAILED, OutsideCall.Status.REFUSED

TAKE = """
UPDATE outside_calls c SET holder = %(holder)s, attempt = c.attempt + 1,
    expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
FROM (
    SELECT id FROM outside_calls WHERE status = 'open' AND expires_at <= clock_timestamp()
    ORDER BY expires_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
) due
WHERE c.id = due.id
RETURNING c.id, c.agent_id, c.world_id, c.tool, c.arguments, c.about, c.attempt, c.started_at
"""

RENEW = """
UPDATE outside_calls SET expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE id = ANY(%s) AND holder = %s AND status = 'open'
"""

# Not made, so that it is no attempt.
PUT_BACK = """
UPDATE outside_calls SET holder = NULL, attempt = attempt - 1,
    expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE id = ANY(%s) AND holder = %s AND status = 'open'
"""

TRY_AGAIN = """
UPDATE outside_calls SET holder = NULL, error = %s, expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s AND holder = %s AND status = 'open'
"""

RELEASE = """
UPDATE outside_calls SET holder = NULL, expires_at = clock_timestamp() WHERE holder = %s AND status = 'open'
"""

END = """
UPDATE outside_calls SET status = %s, code = %s, result = %s, error = %s, ms = %s, message = %s, holder = NULL,
    arguments = coalesce(%s::json, arguments)
WHERE id = %s AND holder = %s AND status = 'open'
"""


class Taken(NamedTuple):
    """A call that is ours until the lease ends."""

    id: UUID
    agent_id: UUID
    world_id: UUID
    tool: str
    arguments: Mapping[str, Any]
    about: str
    attempt: int
    """From 1."""
    started_at: datetime
    """When the tick was that wanted it."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a call. `text` is the tool's, or a sentence that says why there is nothing."""

    status: str
    code: str
    text: str
    sent: Mapping[str, Any] | None = None
    """The arguments that went out, when any did."""
    ms: float | None = None


def take(holder: UUID, most: int) -> list[Taken]:
    """Lease up to `most` calls that are due, those due longest first. One statement."""
    found = [Taken(*row) for row in sql.fetch_rows(TAKE, {"holder": holder, "most": most, "lease": LEASE_S})]
    return sorted(found, key=lambda call: call.id)


def renew(holder: UUID, call_ids: Collection[UUID]) -> None:
    """Tell that this process lives and goes on with these."""
    if call_ids:
        sql.execute(RENEW, [LEASE_S, list(call_ids), holder])


def put_back(holder: UUID, call_ids: Collection[UUID], seconds: float) -> None:
    """Let anybody take up, after a while, what has not been tried."""
    if call_ids:
        sql.execute(PUT_BACK, [seconds, list(call_ids), holder])


def try_again(holder: UUID, call_id: UUID, seconds: float, error: str) -> None:
    """Let anybody try after a while what has failed."""
    sql.execute(TRY_AGAIN, [storable(error)[:500], seconds, call_id, holder])


def release(holder: UUID) -> None:
    """Give everything back, as the process ends."""
    sql.execute(RELEASE, [holder])


def end(call: Taken, came: Came, *, holder: UUID, told: Callable[[bool], NewEvent]) -> bool:
    """Write down what came of a call, and tell the agent: an input, whose event stands in the zone's stream.

    `told` makes an event of it from whether the agent was told, which it is not when it is gone, archived or its
    inbox full. Returns False, and changes nothing, where the call is not ours any more. One transaction.
    """
    text = storable(came.text)
    try:
        with transaction.atomic():
            message, events = _tell(call, came, text)
            error = "" if came.status == DONE else text[:500]
            kept = text[:MOST_RESULT] if came.status == DONE else ""
            sent = None if came.sent is None else orjson.dumps(came.sent).decode()
            values = [came.status, came.code, kept, error, came.ms, message, sent, call.id, holder]
            if not sql.execute(END, values):
                raise _NotOurs
            publish_many([*events, told(message is not None)])
    except _NotOurs:
        return False
    return True


class _NotOurs(Exception):
    """Somebody else has taken the call over."""


def _tell(call: Taken, came: Came, text: str) -> tuple[int | None, list[NewEvent]]:
    try:
        agents, zones = lock([call.agent_id])
        message, event = messages.put(agents[0], zones, words(came.status, text), by=f"{TOOL}{call.tool}")
    except (NotFound, WrongState):
        return None, []
    return message.number, [event]


def words(status: str, text: str) -> str:
    """How an agent is told what came of a call."""
    text = " ".join(text.split()) if status != DONE else text.strip()
    cut = text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…"
    said = cut or "It was done, and gave nothing."
    return (said if status == DONE else f"Nothing came of it: {said}")[:MAX_TEXT]

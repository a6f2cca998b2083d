"""The record of calls: written before a call is made, completed when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from agents.minds.budget import Amount, Wanted, cost
from agents.minds.client import CallFailed, Reply
from agents.minds.endpoints import Asked
from domains import sql

_COLUMNS = {
    "id": "uuid", "agent_id": "uuid", "world_id": "uuid", "endpoint_id": "uuid", "model": "text",
    "tick_number": "int8", "asked_tick": "int8", "attempt": "int2", "template_version": "int4",
    "request_hash": "text", "request": "json", "answer": "text", "status": "text", "error_class": "text",
    "error": "text", "prompt_tokens": "int4", "completion_tokens": "int4", "cost": "numeric",
    "started_at": "timestamptz",
}  # fmt: skip

COMPLETE = """
UPDATE mind_calls c SET status = u.status, answer = u.answer, error_class = u.error_class, error = u.error,
    prompt_tokens = u.prompt_tokens, completion_tokens = u.completion_tokens, cost = coalesce(u.cost, c.cost), ms = u.ms
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int4[], %s::int4[], %s::numeric[],
            %s::float8[])
     AS u (id, status, answer, error_class, error, prompt_tokens, completion_tokens, cost, ms)
WHERE c.id = u.id AND c.status = 'open' RETURNING c.id
"""

LOSE = """
UPDATE mind_calls SET status = 'lost', error_class = 'transient', error = 'the process that asked has died'
WHERE id = ANY(%s) AND status = 'open'
"""

# Ids are UUIDv7: the oldest rows are the first of the primary key's index.
FORGET = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM {table} WHERE id < %s AND status <> 'open' ORDER BY id LIMIT %s
)
"""
FORGOTTEN_AT_ONCE = 5000

KEPT_ANSWER = 64_000


@dataclass(slots=True)
class Ask:
    """A call to be made."""

    call_id: UUID
    agent_id: UUID
    endpoint: Asked
    body: bytes
    """The request as it goes out."""
    length: int
    """Characters of the question."""
    attempt: int
    asked_tick: int
    tick_number: int
    template_version: int
    wanted: Wanted
    heard: frozenset[int]
    told: frozenset[str]
    route: dict[str, Any]
    """The router's choice and scores; empty when there was none."""
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended: with a reply or a failure, or neither when it was stopped."""

    ask: Ask
    reply: Reply | None = None
    failure: CallFailed | None = None

    @property
    def status(self) -> str:
        """As the row has it."""
        return "answered" if self.reply else "failed" if self.failure else "stopped"

    def came_to(self) -> Amount | None:
        """What was really spent; None when nobody can tell, and all that was set aside counts."""
        if self.reply:
            prompt, completion = self.tokens()
            return Amount(1, prompt + completion, cost(self.ask.endpoint.rates, prompt, completion))
        if self.failure and (self.failure.error_class != "timeout" and self.failure.error_class != "validation"):
            return Amount(1)  # refused or never arrived: nothing was made, nothing is billed
        return None

    def tokens(self) -> tuple[int, int]:
        """Of question and answer: as the endpoint counts them, else estimated by four characters each."""
        if self.reply is None:
            return 0, 0
        prompt, completion = self.reply.prompt_tokens, self.reply.completion_tokens
        if prompt is None:
            prompt = self.ask.length // 4
        return prompt, len(self.reply.text) // 4 if completion is None else completion


def begin(asks: Iterable[Ask]) -> None:
    """Write calls that are about to be made. Needs an open transaction."""
    sql.copy("mind_calls", _COLUMNS, (_row(ask) for ask in asks))


def _row(ask: Ask) -> tuple[Any, ...]:
    body = ask.body
    return (
        ask.call_id, ask.agent_id, ask.wanted.world_id, ask.endpoint.id, ask.endpoint.model, ask.tick_number,
        ask.asked_tick, ask.attempt, ask.template_version, sha256(body).hexdigest(), body, "", "open", "", "", 0, 0,
        ask.wanted.most.cost, ask.started_at,
    )  # fmt: skip


def complete(results: Sequence[Result]) -> list[Result]:
    """Write how calls ended. Returns those that were not written before. One statement."""
    if not results:
        return []
    rows = sql.fetch_rows(COMPLETE, [list(column) for column in zip(*map(_ending, results), strict=True)])
    ended = {result.ask.call_id: result for result in results}
    return [ended[row[0]] for row in rows]


def _ending(result: Result) -> tuple[Any, ...]:
    reply, failure, spent = result.reply, result.failure, result.came_to()
    prompt, completion = result.tokens()
    money: Decimal | None = spent.cost if spent else None
    return (
        result.ask.call_id, result.status, _storable(reply.text) if reply else "",
        failure.error_class if failure else "", _storable(str(failure)) if failure else "",
        prompt, completion, money, reply.ms if reply else None,
    )  # fmt: skip


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "ignore").decode()[:KEPT_ANSWER]


def forget(before: datetime, *, table: str = "mind_calls", most: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete some of the calls that were begun before an aware instant; what they cost stays counted. How many."""
    return sql.execute(FORGET.format(table=table), [first_id(before), most])


def first_id(at: datetime) -> UUID:
    """Calls that were begun before an aware instant have lesser ids."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def lose(call_ids: Sequence[UUID]) -> None:
    """Note that nobody will ever hear how calls ended; they stay counted with all that they may have cost."""
    if call_ids:
        sql.execute(LOSE, [list(call_ids)])

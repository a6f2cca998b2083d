"""Where money went, and how the models are: what operators ask. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.minds import endpoints
from agents.models import Endpoint, Price, ReasonerProcess, SpendingCap
from agents.reasoners import thinking_kinds
from domains import sql
from domains.thunderflow.breakers import CLOSED, State

SCOPES = ("endpoint", "world", "agent")
SEEN_S = 15.0
"""A process that was silent for longer is not counted."""

SPENT = """
SELECT s.target_id, coalesce(e.name, w.name, a.name, '(gone)'),
       sum(s.calls)::bigint, sum(s.tokens)::bigint, sum(s.cost),
       coalesce(sum(s.cost) FILTER (WHERE s.hour = date_trunc('hour', now(), 'UTC')), 0)
FROM mind_spending s
LEFT JOIN mind_endpoints e ON s.scope = 'endpoint' AND e.id = s.target_id
LEFT JOIN worlds w ON s.scope = 'world' AND w.id = s.target_id
LEFT JOIN pac_agents a ON s.scope = 'agent' AND a.id = s.target_id
WHERE s.scope = %s AND s.hour >= date_trunc('day', now(), 'UTC') - make_interval(days => %s)
GROUP BY 1, 2 ORDER BY 5 DESC, 4 DESC, 2 LIMIT %s
"""

# Due for half a minute of the world's time, and in nobody's hands.
WAITING = """
SELECT count(*) FROM pac_agents a JOIN worlds w ON w.id = a.world_id
WHERE a.reasoner <> 'rules' AND a.reasoner = ANY(%s) AND a.lifecycle = 'active' AND a.due_tick + %s <= w.tick
  AND NOT EXISTS (SELECT 1 FROM mind_thoughts t WHERE t.agent_id = a.id AND t.expires_at > now())
"""
CALLS = """
SELECT c.started_at, a.name, c.model, c.status, c.attempt, c.prompt_tokens, c.completion_tokens, c.cost, c.ms,
       c.error_class, c.error, c.request_hash, c.id
FROM mind_calls c LEFT JOIN pac_agents a ON a.id = c.agent_id
WHERE %(agent)s::uuid IS NULL OR c.agent_id = %(agent)s ORDER BY c.id DESC LIMIT %(limit)s
"""
_CALL = (
    "at", "agent", "model", "status", "attempt", "prompt_tokens", "completion_tokens", "cost", "ms", "error_class",
    "error", "request_hash", "id",
)  # fmt: skip


def spent(*, days: int = 1, scopes: Sequence[str] = SCOPES, limit: int = 20) -> dict[str, list[dict[str, Any]]]:
    """Calls, tokens and US dollars by scope, of today and the `days - 1` days before (UTC), the dearest first."""
    names = ("id", "name", "calls", "tokens", "cost", "cost_this_hour")
    return {
        scope: [dict(zip(names, row, strict=True)) for row in sql.fetch_rows(SPENT, [scope, days - 1, limit])]
        for scope in scopes
    }


SPENT_BY = """
SELECT coalesce(sum(calls) FILTER (WHERE hour >= t.day), 0)::bigint, coalesce(sum(calls), 0)::bigint,
       coalesce(sum(tokens) FILTER (WHERE hour >= t.day), 0)::bigint, coalesce(sum(tokens), 0)::bigint,
       coalesce(sum(cost) FILTER (WHERE hour >= t.day), 0), coalesce(sum(cost), 0)
FROM mind_spending, (SELECT date_trunc('day', now(), 'UTC') AS day) t
WHERE scope = %s AND target_id = %s AND hour >= t.day - interval '6 days'
"""
# Of those who think now, by the index of them: of all who ever did there may be very many.
DEAREST = """
SELECT a.id, a.name, sum(s.cost) AS cost, sum(s.tokens)::bigint AS tokens
FROM mind_spending s JOIN pac_agents a ON a.id = s.target_id AND a.world_id = %s AND a.reasoner <> 'rules'
WHERE s.scope = 'agent' AND s.hour >= date_trunc('day', now(), 'UTC') - interval '6 days'
GROUP BY a.id, a.name ORDER BY cost DESC, tokens DESC, a.name LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one agent, world or endpoint came to: today, and today with the six days before (UTC). Costs in US dollars.

    Calls under way count with the most that they may come to.
    """

    calls_today: int
    calls: int
    tokens_today: int
    tokens: int
    cost_today: Decimal
    cost: Decimal


def spent_by(scope: str, target_id: UUID) -> Spent:
    """What one of `SCOPES` came to. One query, by the index of hours."""
    return Spent(*sql.fetch_rows(SPENT_BY, [scope, target_id])[0])


def dearest(world_id: UUID, *, limit: int = 5) -> list[dict[str, Any]]:
    """`id`, `name`, `cost`, `tokens` of the thinking agents of a world on which most was spent in the same days.

    One query.
    """
    return [dict(zip(("id", "name", "cost", "tokens"), row, strict=True))
            for row in sql.fetch_rows(DEAREST, [world_id, limit])]  # fmt: skip


def calls(*, agent_id: UUID | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """The latest calls, newest first, of one agent or of all, without their texts."""
    rows = sql.fetch_rows(CALLS, {"agent": agent_id, "limit": limit})
    return [dict(zip(_CALL, row, strict=True)) for row in rows]


def waiting(ticks: int = 30) -> int:
    """Agents who have been due for so many world ticks, and whom nobody asks anything."""
    return int(sql.fetch_rows(WAITING, [thinking_kinds(), ticks])[0][0])


def reasoners() -> list[ReasonerProcess]:
    """Processes that were heard of lately."""
    since = timezone.now() - timedelta(seconds=SEEN_S)
    return list(ReasonerProcess.objects.filter(seen_at__gte=since))


def health() -> dict[str, Any]:
    """Reasoner processes, and agents who have been due for long without being asked. Two queries."""
    return {"reasoners": len(reasoners()), "waiting": waiting()}


def status() -> dict[str, Any]:
    """Endpoints with their state and price, caps, processes, the switch."""
    prices = {price.model: price for price in Price.objects.all()}
    rows = list(Endpoint.objects.all())
    fare = endpoints.standing(rows)
    stopped = endpoints.read().stopped
    return {
        "switch": stopped or "Model calls are allowed.",
        "endpoints": [_endpoint(row, prices.get(row.model), *fare[row.name]) for row in rows],
        "caps": [str(cap) for cap in SpendingCap.objects.all()],
        "reasoners": [{"node": p.node, "pid": p.pid, "in_flight": p.in_flight} for p in reasoners()],
        "waiting": waiting(),
    }


def _endpoint(row: Endpoint, price: Price | None, breaker: State, rests_until: datetime | None) -> dict[str, Any]:
    state = _standing(row, breaker, rests_until) if row.enabled else "disabled"
    return {
        "name": row.name, "model": row.model, "base_url": row.base_url, "tier": row.tier, "state": state,
        "price": f"{price.prompt.normalize():f} / {price.completion.normalize():f}" if price else "unknown",
        "last_error": row.last_error,
    }  # fmt: skip


def _standing(row: Endpoint, breaker: State, rests_until: datetime | None) -> str:
    if rests_until and timezone.now() < rests_until:
        return f"left alone until {rests_until:%H:%M:%S} UTC: {row.last_error}"
    return "ok" if breaker.state == CLOSED else f"tried by one call at a time: {row.last_error}"

"""Where money went, and how the models are: what operators ask. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.minds import endpoints
from agents.minds.breaker import Breaker
from agents.models import Endpoint, Price, ReasonerProcess, SpendingCap
from agents.reasoners import thinking_kinds
from domains import sql

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
    stopped = endpoints.read().stopped
    return {
        "switch": stopped or "Model calls are allowed.",
        "endpoints": [_endpoint(row, prices.get(row.model)) for row in Endpoint.objects.all()],
        "caps": [str(cap) for cap in SpendingCap.objects.all()],
        "reasoners": [{"node": p.node, "pid": p.pid, "in_flight": p.in_flight} for p in reasoners()],
        "waiting": waiting(),
    }


def _endpoint(row: Endpoint, price: Price | None) -> dict[str, Any]:
    breaker = Breaker(row.failures, row.open_until)
    state = "disabled" if not row.enabled else _resting(breaker, row.last_error)
    return {
        "name": row.name, "model": row.model, "base_url": row.base_url, "tier": row.tier, "state": state,
        "price": f"{price.prompt.normalize():f} / {price.completion.normalize():f}" if price else "unknown",
        "last_error": row.last_error,
    }  # fmt: skip


def _resting(breaker: Breaker, error: str) -> str:
    now = timezone.now()
    if breaker.resting(now):
        return f"left alone until {breaker.open_until:%H:%M:%S} UTC: {error}"
    return "ok" if breaker.closed(now) else f"tried by one call at a time: {error}"

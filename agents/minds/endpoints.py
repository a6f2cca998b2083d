"""What a reasoner process needs to know before it asks: endpoints, prices, words, and whether it may ask at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from agents.minds import prompts
from agents.minds.breaker import Breaker
from agents.minds.budget import Rates, cost
from agents.minds.client import Address
from agents.models import Endpoint, Price, PromptTemplate, SpendingCap, Switch
from agents.reasoners import STANDARD
from domains import sql
from domains.fields import Secret, Undecipherable

# Only what the breaker says; an operator's edit at the same moment stays.
NOTE = """
UPDATE mind_endpoints e
SET failures = u.failures, open_until = u.open_until, last_error = coalesce(u.error, e.last_error)
FROM unnest(%s::uuid[], %s::int4[], %s::timestamptz[], %s::text[]) AS u (id, failures, open_until, error)
WHERE e.id = u.id
"""
LOCK = "SELECT id, failures, open_until, now() FROM mind_endpoints WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Asked:
    """One endpoint as it is asked."""

    id: UUID
    name: str
    address: Address
    model: str
    tier: str
    structured: str
    timeout_s: float
    max_tries: int
    max_in_flight: int
    max_tokens: int
    breaker: Breaker
    rates: Rates | None
    unusable: str = ""
    """Why it cannot be asked."""


@dataclass(frozen=True, slots=True)
class Setting:
    """All of it as it was at one moment."""

    endpoints: Mapping[str, Asked]
    words: prompts.Words
    stopped: str
    """Why no model may be called; empty: they may."""
    capped: bool
    """Whether there is any cap on spending."""

    def pick(self, tier: str, named: str) -> Asked | str:
        """The endpoint for a tier, the agent's own word first; or why there is none.

        `named` is one name, or two with a comma: for the cheap and for the expensive tier.
        """
        names = [name.strip() for name in named.split(",") if name.strip()]
        if names:
            wanted = names[-1] if tier == "expensive" else names[0]
            found = self.endpoints.get(wanted)
            return found or f"there is no endpoint {wanted!r} that is enabled"
        known = list(self.endpoints.values())
        of_tier = [e for e in known if e.tier == tier]
        standard = [e for e in known if e.tier == STANDARD]
        for endpoint in (*of_tier, *standard, *known):
            return endpoint
        return "there is no endpoint that is enabled; `manage.py minds add` makes one"


def read() -> Setting:
    """Five queries."""
    switch = Switch.objects.first()
    stopped = "" if switch is None or switch.calls_allowed else f"model calls are stopped: {switch.reason or switch.by}"
    rates = {price.model: Rates(price.prompt, price.completion) for price in Price.objects.all()}
    endpoints = {e.name: _endpoint(e, rates.get(e.model)) for e in Endpoint.objects.filter(enabled=True)}
    return Setting(endpoints, words(), stopped, SpendingCap.objects.exists())


def words() -> prompts.Words:
    """The templates in use."""
    row = PromptTemplate.objects.filter(active=True).first()
    return prompts.Words(row.version, row.system, row.user) if row else prompts.shipped()


def _endpoint(row: Endpoint, rates: Rates | None) -> Asked:
    key, unusable = "", ""
    try:
        key = cast(Secret, row.api_key).reveal()
    except Undecipherable as error:
        unusable = f"the key of endpoint {row.name} cannot be read: {error}"
    return Asked(
        id=row.pk,
        name=row.name,
        address=Address(row.base_url, key),
        model=row.model,
        tier=row.tier,
        structured=row.structured,
        timeout_s=row.timeout_s,
        max_tries=row.max_tries,
        max_in_flight=row.max_in_flight,
        max_tokens=row.max_tokens,
        breaker=Breaker(row.failures, row.open_until),
        rates=rates,
        unusable=unusable,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """How one call went, for the breaker. `fault`: by the endpoint's doing."""

    endpoint_id: UUID
    ok: bool
    fault: bool
    error: str
    rest_s: float


def note(seen: Sequence[Seen]) -> None:
    """Let the breakers learn from calls, in this order. Two statements."""
    if not seen:
        return
    rows = sql.fetch_rows(LOCK, [sorted({one.endpoint_id for one in seen})])
    if not rows:
        return  # they have been removed
    breakers, now = {row[0]: Breaker(*row[1:3]) for row in rows}, rows[0][3]
    before, errors = dict(breakers), dict.fromkeys(breakers, None)
    for one in seen:
        if one.endpoint_id in breakers:
            breakers[one.endpoint_id] = _learn(breakers[one.endpoint_id], one, now)
            errors[one.endpoint_id] = one.error or errors[one.endpoint_id]
    _write((i, b, errors[i]) for i, b in breakers.items() if b != before[i] or errors[i])


def _learn(breaker: Breaker, seen: Seen, now: datetime) -> Breaker:
    if seen.ok:
        return breaker.succeeded()
    return breaker.failed(now, rest_s=seen.rest_s) if seen.fault else breaker.asked_to_wait(now, seen.rest_s)


def _write(changed: Iterable[tuple[UUID, Breaker, str | None]]) -> None:
    rows = [(i, b.failures, b.open_until, error and error[:500]) for i, b, error in changed]
    if rows:
        sql.execute(NOTE, [list(column) for column in zip(*rows, strict=True)])


def most(endpoint: Asked, request_bytes: int, max_tokens: int) -> tuple[int, Decimal]:
    """The most tokens and dollars that a call can come to. Three bytes a token is few for any language's tokenizer."""
    prompt = request_bytes // 3 + 16
    return prompt + max_tokens, cost(endpoint.rates, prompt, max_tokens)

"""What a reasoner process needs to know before it asks: endpoints, prices, words, and whether it may ask at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from agents.minds import prompts
from agents.minds.budget import Rates, cost
from agents.minds.client import Address
from agents.models import Endpoint, Price, PromptTemplate, SpendingCap, Switch
from agents.reasoners import STANDARD
from domains import sql
from domains.fields import Secret, Undecipherable
from domains.thunderflow import breakers

# No `updated_at`: nobody has edited it.
NOTE = """
UPDATE mind_endpoints e
SET rests_until = greatest(e.rests_until, now() + make_interval(secs => nullif(u.rest_s, 0))), last_error = u.error
FROM unnest(%s::uuid[], %s::float8[], %s::text[]) AS u (id, rest_s, error)
WHERE e.id = u.id
"""


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
    breaker: breakers.State
    rests_until: datetime | None
    """No call is made before: the breaker's rest, or what the endpoint asked for."""
    rates: Rates | None
    unusable: str = ""
    """Why it cannot be asked."""

    def resting(self, now: datetime) -> bool:
        """Whether no call may be made."""
        return self.rests_until is not None and now < self.rests_until

    def at_once(self) -> int:
        """Calls that may be under way: one, while it is not known whether it works again."""
        return self.max_in_flight if self.breaker.state == breakers.CLOSED else 1


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
    """Six queries."""
    switch = Switch.objects.first()
    stopped = "" if switch is None or switch.calls_allowed else f"model calls are stopped: {switch.reason or switch.by}"
    rates = {price.model: Rates(price.prompt, price.completion) for price in Price.objects.all()}
    rows = list(Endpoint.objects.filter(enabled=True))
    fare = standing(rows)
    endpoints = {e.name: _endpoint(e, rates.get(e.model), *fare[e.name]) for e in rows}
    return Setting(endpoints, words(), stopped, SpendingCap.objects.exists())


def words() -> prompts.Words:
    """The templates in use."""
    row = PromptTemplate.objects.filter(active=True).first()
    return prompts.Words(row.version, row.system, row.user) if row else prompts.shipped()


def breaker_name(endpoint: str) -> str:
    """Of the circuit breaker that all processes share for it."""
    return f"endpoint:{endpoint}"


def standing(rows: Sequence[Endpoint]) -> dict[str, tuple[breakers.State, datetime | None]]:
    """By name: what the breaker says, and until when no call is made. One query."""
    states = breakers.states([breaker_name(row.name) for row in rows])
    return {
        row.name: (state, max((at for at in (state.rests_until, row.rests_until) if at), default=None))
        for row in rows
        for state in (states[breaker_name(row.name)],)
    }


def _endpoint(row: Endpoint, rates: Rates | None, breaker: breakers.State, rests_until: datetime | None) -> Asked:
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
        breaker=breaker,
        rests_until=rests_until,
        rates=rates,
        unusable=unusable,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """How one call went. `fault`: by the endpoint's doing; `rest_s`: how long it asked to be left alone."""

    endpoint_id: UUID
    name: str
    error: str = ""
    fault: bool = False
    rest_s: float = 0.0


class Health:
    """What one process has to tell of endpoints. For one thread, and outside of transactions."""

    def __init__(self) -> None:
        self._guards: dict[str, breakers.Guard] = {}

    def note(self, seen: Sequence[Seen]) -> None:
        """Let breakers learn from calls, in this order, and keep what the endpoints said. A query a change."""
        for one in seen:
            if one.fault or not one.error:
                guard = self._guards.setdefault(one.name, breakers.Guard(breaker_name(one.name)))
                guard.note(EndpointFailed(one.error) if one.fault else None)
        failed: dict[UUID, tuple[float, str]] = {}
        for one in seen:
            if one.error:
                longest, _ = failed.get(one.endpoint_id, (0.0, ""))
                failed[one.endpoint_id] = (max(longest, one.rest_s), one.error[:500])
        if failed:
            sql.execute(NOTE, [list(failed), *(list(column) for column in zip(*failed.values(), strict=True))])


class EndpointFailed(Exception):
    """A call failed by the endpoint's doing."""


def most(endpoint: Asked, request_bytes: int, max_tokens: int) -> tuple[int, Decimal]:
    """The most tokens and dollars that a call can come to. Three bytes a token is few for any language's tokenizer."""
    prompt = request_bytes // 3 + 16
    return prompt + max_tokens, cost(endpoint.rates, prompt, max_tokens)

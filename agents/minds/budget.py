"""What thinking costs and may cost. Counted by the hour for each agent, world and endpoint; asked before each call.

What a call may cost at most is taken from the budget when it is decided on, and put right when it is over. So caps
hold whatever happens in between; a call whose process died stays counted in full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from domains import sql

Target = tuple[str, UUID]
"""Scope and id."""
Spent = tuple[datetime, Sequence[Target], "Amount"]
"""An amount for its targets in the hour of an aware instant."""
_MILLION = Decimal(1_000_000)

# Locked, so that two processes cannot both spend the last of it. Without caps there is nothing to wait for.
CAPS = """
SELECT scope, target_id, period, measure, most FROM mind_spending_caps ORDER BY id FOR NO KEY UPDATE
"""

# Hours and days of UTC, by the database's clock.
SPENT = """
SELECT s.scope, s.target_id,
       coalesce(sum(s.calls) FILTER (WHERE s.hour = t.hour), 0)::bigint,
       coalesce(sum(s.tokens) FILTER (WHERE s.hour = t.hour), 0)::bigint,
       coalesce(sum(s.cost) FILTER (WHERE s.hour = t.hour), 0),
       sum(s.calls)::bigint, sum(s.tokens)::bigint, sum(s.cost)
FROM unnest(%s::text[], %s::uuid[]) AS u (scope, target_id),
     (SELECT date_trunc('hour', now(), 'UTC') AS hour, date_trunc('day', now(), 'UTC') AS day) AS t,
     mind_spending s
WHERE s.scope = u.scope AND s.target_id = u.target_id AND s.hour >= t.day
GROUP BY s.scope, s.target_id
"""

# In the order of the key: two processes that count at once wait for each other and never in a circle.
COUNT = """
INSERT INTO mind_spending AS s (scope, target_id, hour, calls, tokens, cost)
SELECT * FROM unnest(%s::text[], %s::uuid[], %s::timestamptz[], %s::int8[], %s::int8[], %s::numeric[])
     AS u (scope, target_id, hour, calls, tokens, cost)
ORDER BY 1, 2, 3
ON CONFLICT (scope, target_id, hour) DO UPDATE
SET calls = s.calls + excluded.calls, tokens = s.tokens + excluded.tokens, cost = s.cost + excluded.cost
"""


@dataclass(frozen=True, slots=True)
class Amount:
    """What is spent: calls, tokens, US dollars."""

    calls: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)

    def of(self, measure: str) -> Decimal:
        """By the name of the measure."""
        return Decimal(getattr(self, measure))


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars a million tokens."""

    prompt: Decimal
    completion: Decimal


def cost(rates: Rates | None, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """What so many tokens cost, to a billionth of a dollar; nothing at all without a price."""
    if rates is None:
        return Decimal(0)
    total = rates.prompt * prompt_tokens + rates.completion * completion_tokens
    return (total / _MILLION).quantize(Decimal("1e-9"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that somebody wants to make, and the most that it can come to."""

    agent_id: UUID
    world_id: UUID
    endpoint_id: UUID
    most: Amount
    priced: bool
    """Whether the model has a price."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """For whom it counts."""
        return (("agent", self.agent_id), ("endpoint", self.endpoint_id), ("world", self.world_id))


@dataclass(slots=True)
class Ledger:
    """Caps in force, and what has been spent under them this hour and day, for some targets."""

    caps: list[tuple[str, UUID | None, str, str, Decimal]]
    spent: dict[Target, dict[str, Amount]] = field(default_factory=lambda: defaultdict(dict))

    def applying(self, target: Target) -> list[tuple[str, str, Decimal]]:
        """(period, measure, most) of each cap on a target: its own, and those on each of its scope."""
        scope, target_id = target
        return [cap[2:] for cap in self.caps if cap[0] == scope and cap[1] in (None, target_id)]

    def refusal(self, wanted: Wanted) -> str | None:
        """Why a call may not be made; None when it may."""
        for target in wanted.targets:
            for period, measure, most in self.applying(target):
                if measure == "cost" and not wanted.priced:
                    return (
                        f"its model has no price, and a cap in US dollars {_PERIODS[period]} is set for the {target[0]}"
                    )
                after = self.spent[target].get(period, Amount()).of(measure) + wanted.most.of(measure)
                if after > most:
                    return (
                        f"the {target[0]}'s cap of {most.normalize():f} {_UNITS[measure]} {_PERIODS[period]} is reached"
                    )
        return None

    def take(self, wanted: Wanted) -> None:
        """Count a call that will be made."""
        for target in wanted.targets:
            for period in ("hour", "day"):
                self.spent[target][period] = self.spent[target].get(period, Amount()) + wanted.most

    def left(self, targets: Iterable[Target]) -> float:
        """The share of the tightest cap on these that is left, 0–1; 1 without caps."""
        shares = [
            1 - self.spent[target].get(period, Amount()).of(measure) / most if most else Decimal(0)
            for target in targets
            for period, measure, most in self.applying(target)
        ]
        return float(min(Decimal(1), max(Decimal(0), min(shares, default=Decimal(1)))))


_PERIODS = {"hour": "an hour", "day": "a day"}
_UNITS = {"cost": "US dollars", "tokens": "tokens", "calls": "calls"}


def ledger(targets: Iterable[Target]) -> Ledger:
    """How things stand for some targets. Locks the caps until the transaction ends. Two queries, one without caps."""
    found = Ledger([tuple(row) for row in sql.fetch_rows(CAPS)])
    wanted = sorted(set(targets))
    if not found.caps or not wanted:
        return found
    for scope, target_id, *sums in sql.fetch_rows(SPENT, [list(column) for column in zip(*wanted, strict=True)]):
        found.spent[scope, target_id] = {"hour": Amount(*sums[:3]), "day": Amount(*sums[3:])}
    return found


def count(amounts: Sequence[Spent]) -> None:
    """Add amounts, each to its targets in the hour of an aware instant. They may be negative. One statement."""
    sums: Mapping[tuple[str, UUID, datetime], list[Amount]] = defaultdict(list)
    for at, targets, amount in amounts:
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        for scope, target_id in targets:
            sums[scope, target_id, hour].append(amount)
    rows = [
        (*key, sum(a.calls for a in all_of), sum(a.tokens for a in all_of), sum((a.cost for a in all_of), Decimal(0)))
        for key, all_of in sorted(sums.items())
    ]
    if rows:
        sql.execute(COUNT, [list(column) for column in zip(*rows, strict=True)])

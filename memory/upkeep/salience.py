"""How much a memory still matters to its agent. Pure, and the same in SQL.

    salience = importance · ½ ^ (age / half-life)

The age counts from when it was last stored, or recalled if that was later. The half-life is that of a memory which
was stored once and never recalled, and grows by as much with every doubling of both together: what is told or
recalled again and again lasts, and each further time adds less (after Ebbinghaus, "Memory", 1885, chapter VIII).

    half-life = half_life · (1 + log2(seen_count + access_count))

It is reckoned when it is needed: a figure that changes by itself every second is not worth a row's rewriting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import log2

MOST_HALVINGS = 1000.0
"""More are as good as these, and would be less than the least number that PostgreSQL knows."""


def salience(
    importance: float,
    *,
    now: datetime,
    half_life: timedelta,
    last_seen_at: datetime,
    last_accessed_at: datetime | None = None,
    seen_count: int = 1,
    access_count: int = 0,
) -> float:
    """0 to the importance. Aware instants; one that lies ahead counts as now."""
    last = max(last_seen_at, last_accessed_at or last_seen_at)
    age_s = max(0.0, (now - last).total_seconds())
    lasting_s = half_life.total_seconds() * (1 + log2(seen_count + access_count))
    return importance * 0.5 ** min(MOST_HALVINGS, age_s / lasting_s)


# Of columns of `memory_nodes`, and the parameters `now` and `half_life_s`.
SALIENCE = f"""importance * power(0.5::float8, least({MOST_HALVINGS},
    greatest(0, extract(epoch FROM %(now)s::timestamptz - greatest(last_seen_at, last_accessed_at)))::float8
    / (%(half_life_s)s::float8 * (1 + ln(seen_count::float8 + access_count) / ln(2::float8)))))"""

"""How subscribers stand. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domains import sql
from domains.thunderflow import queries

LIVE_S = 4.0
"""A follower that was seen within so many seconds lives."""

STANDING = """
SELECT s.name, s.pattern, s.shards, s.paused, s.declared,
       (SELECT coalesce(min(c.position), 0) FROM event_cursors c WHERE c.subscription_id = s.id),
       (SELECT coalesce(sum(c.handled), 0)::bigint FROM event_cursors c WHERE c.subscription_id = s.id),
       (SELECT max(c.updated_at) FROM event_cursors c WHERE c.subscription_id = s.id),
       (SELECT count(*) FROM event_leases l WHERE l.subscription_id = s.id AND l.expires_at > now()
                                                  AND l.holder IS NOT NULL),
       (SELECT count(*) FROM event_parked_streams p WHERE p.subscription_id = s.id),
       (SELECT count(*) FROM event_dead_letters d WHERE d.subscription_id = s.id AND d.status = 'waiting'),
       coalesce((SELECT b.state FROM circuit_breakers b WHERE b.name = 'handler:' || s.name), 'closed'),
       greatest(0, %s - (SELECT coalesce(min(c.position), 0) FROM event_cursors c WHERE c.subscription_id = s.id))
FROM event_subscriptions s ORDER BY s.name
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """One subscription. `lag` is how many positions of the log lie between its slowest shard and the end."""

    name: str
    pattern: str
    shards: int
    paused: bool
    declared: bool
    position: int
    handled: int
    moved_at: datetime | None
    held: int
    """Shards at which a process works."""
    parked: int
    dead_letters: int
    breaker: str
    lag: int


def standings() -> list[Standing]:
    """All subscriptions, by name. Two queries."""
    return [Standing(*row) for row in sql.fetch_rows(STANDING, [queries.settled()])]


def followers() -> int:
    """How many `manage.py follow` processes live."""
    query = "SELECT count(*) FROM event_followers WHERE seen_at > now() - make_interval(secs => %s)"
    return int(sql.fetch_rows(query, [LIVE_S])[0][0])


def breakers() -> list[tuple[str, str]]:
    """Circuit breakers and their states, by name. Those that never failed have no row."""
    return [(name, state) for name, state in sql.fetch_rows("SELECT name, state FROM circuit_breakers ORDER BY name")]

"""What stands in the log and how fast it grows, from a look at its newest end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domains import sql
from domains.thunderflow import queries
from domains.thunderflow.subscribers.queries import Standing, standings

# Ids within a topic are one kind of thing: `zone.*.agent_ticked`.
COUNTS = r"""
SELECT regexp_replace(topic, '[0-9a-f]{8}-[0-9a-f-]{27}|\m[0-9]+\M', '*', 'g'), split_part(stream, ':', 1),
       sum(n)::bigint, min(first), max(last)
FROM (SELECT topic, stream, count(*) AS n, min(at) AS first, max(at) AS last
      FROM events WHERE position > %s AND position <= %s GROUP BY topic, stream) AS each
GROUP BY 1, 2
"""
LEAVES = """
SELECT count(*), coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint
FROM pg_inherits WHERE inhparent = 'events'::regclass
"""
NEWEST = "SELECT coalesce(pg_sequence_last_value('event_position_seq'), 0)"


@dataclass(frozen=True, slots=True)
class Statistics:
    """The log as it stands. Counts and the rate are of the newest `within` positions."""

    newest: int
    """Last position that was given out; its event may not be committed yet, or never will be."""
    settled: int
    within: int
    events: int
    since: datetime | None
    until: datetime | None
    per_s: float
    topics: dict[str, int]
    streams: dict[str, int]
    leaves: int
    bytes: int
    subscriptions: list[Standing]


def statistics(*, within: int) -> Statistics:
    """Costs a look at each of the newest `within` events."""
    upto = queries.settled()
    counts = sql.fetch_rows(COUNTS, [upto - within, upto])
    topics: dict[str, int] = {}
    streams: dict[str, int] = {}
    for topic, stream, count, _, _ in counts:
        topics[topic] = topics.get(topic, 0) + count
        streams[stream] = streams.get(stream, 0) + count
    since, until = min((row[3] for row in counts), default=None), max((row[4] for row in counts), default=None)
    took = (until - since).total_seconds() if since and until else 0.0
    events = sum(topics.values())
    ((leaves, size),) = sql.fetch_rows(LEAVES)
    return Statistics(
        newest=int(sql.fetch_rows(NEWEST)[0][0]), settled=upto, within=within, events=events, since=since, until=until,
        per_s=round(events / took, 1) if took else 0.0, topics=_largest(topics), streams=_largest(streams),
        leaves=leaves, bytes=size, subscriptions=standings(),
    )  # fmt: skip


def _largest(counts: dict[str, int]) -> dict[str, int]:
    """Most first, then by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

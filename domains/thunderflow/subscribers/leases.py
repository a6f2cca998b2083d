"""Which process works at which shard: rows with the database's time on them, dealt out evenly among those that live."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.thunderflow import queries
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.events import STREAM, SubscriptionChanged
from domains.thunderflow.models import Cursor, Lease, Subscription
from domains.thunderflow.subscribers.declared import Subscriber

LEASE_S = 3.0
"""How long a process may keep silent before others take over its shards."""
RENEW_S = 1.0
MANY = 10_000

# Some process works at it, or did a moment ago: other code than this may declare it.
IN_USE = """EXISTS (
    SELECT FROM event_leases l WHERE l.subscription_id = s.id AND l.expires_at > now() - interval '1 minute'
)"""

UNDECLARE = f"""
UPDATE event_subscriptions s SET declared = false WHERE declared AND NOT name = ANY(%s) AND NOT {IN_USE}
"""

HERE = """
INSERT INTO event_followers (id, node, pid, seen_at) VALUES (%s, %s, %s, now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""
GONE = "DELETE FROM event_followers WHERE id = %s OR seen_at < now() - interval '1 minute'"

RENEW = "UPDATE event_leases SET expires_at = now() + make_interval(secs => %s) WHERE holder = %s"

# As many as are this process's share, so that whoever comes later finds some too.
SHARE = """
SELECT ceil(
    (SELECT count(*) FROM event_leases l JOIN event_subscriptions s ON s.id = l.subscription_id WHERE s.name = ANY(%s))
    / greatest(1, (SELECT count(*) FROM event_followers WHERE seen_at > now() - make_interval(secs => %s)))::numeric
)::int
"""

CLAIM = """
UPDATE event_leases SET holder = %s, expires_at = now() + make_interval(secs => %s)
WHERE id IN (
    SELECT l.id FROM event_leases l JOIN event_subscriptions s ON s.id = l.subscription_id
    WHERE s.name = ANY(%s) AND (l.holder IS NULL OR l.expires_at < now())
    ORDER BY l.id LIMIT %s FOR UPDATE OF l SKIP LOCKED
)
"""

MINE = """
SELECT s.name, l.subscription_id, l.shard, s.paused FROM event_leases l
JOIN event_subscriptions s ON s.id = l.subscription_id
WHERE l.holder = %s AND l.expires_at > now() ORDER BY s.name, l.shard
"""

RELEASE = """
UPDATE event_leases SET holder = NULL, expires_at = now()
WHERE holder = %s AND (subscription_id, shard) IN (SELECT * FROM unnest(%s::uuid[], %s::int2[]))
"""
RELEASE_ALL = "UPDATE event_leases SET holder = NULL, expires_at = now() WHERE holder = %s"


class Held(NamedTuple):
    """A shard whose lease is ours."""

    name: str
    subscription_id: UUID
    shard: int
    paused: bool


def declare(subscribers: Iterable[Subscriber]) -> None:
    """Give each declared subscriber its rows; those that no code declares any more no longer hold up anything.

    To be repeated now and then: one at which another process works is let be until that has been gone for a minute.
    The number of shards stays what it was at first: streams would change hands with their order.
    """
    with transaction.atomic():
        sql.execute("SELECT pg_advisory_xact_lock(1163284301, 4)")
        known = {row.name: row for row in Subscription.objects.all()}
        names = [one.name for one in subscribers]
        Subscription.objects.filter(name__in=names, declared=False).update(declared=True)
        sql.execute(UNDECLARE, [names])
        for one in subscribers:
            if one.name not in known:
                _begin(one)
            elif known[one.name].pattern != one.pattern:
                Subscription.objects.filter(name=one.name).update(pattern=one.pattern)


def _begin(one: Subscriber) -> None:
    row = Subscription.objects.create(name=one.name, pattern=one.pattern, shards=one.shards)
    position = 0 if one.start == "beginning" else queries.settled()
    shards = range(one.shards)
    Cursor.objects.bulk_create(Cursor(subscription=row, shard=shard, position=position) for shard in shards)
    Lease.objects.bulk_create(Lease(subscription=row, shard=shard, expires_at=row.inserted_at) for shard in shards)
    payload = SubscriptionChanged(subscription=one.name, what="declared", position=position)
    publish(NewEvent(STREAM, SubscriptionChanged.topic, payload))


def shards(names: Sequence[str]) -> dict[str, int]:
    """How many shards each subscription really has."""
    return dict(Subscription.objects.filter(name__in=names).values_list("name", "shards"))


def turn(holder: UUID, names: Sequence[str], held: Collection[tuple[UUID, int]], *, greedy: bool = False) -> list[Held]:
    """Tell that this process lives, renew its leases, and take its share of what is free. Returns what it holds.

    One that is `greedy` takes all that is free.

    When that is more than its share, others wait for some: those at the end of the list are to be given back.
    """
    sql.execute(HERE, [holder, socket.gethostname(), os.getpid()])
    sql.execute(RENEW, [LEASE_S, holder])
    share = MANY if greedy else sql.fetch_rows(SHARE, [list(names), LEASE_S])[0][0]
    if len(held) < share:
        sql.execute(CLAIM, [holder, LEASE_S, list(names), share - len(held)])
    mine = [Held(*row) for row in sql.fetch_rows(MINE, [holder])]
    surplus = mine[share:]
    if surplus:
        give_back(holder, surplus)
    return mine[:share]


def give_back(holder: UUID, some: Sequence[Held]) -> None:
    """Let others have these."""
    ids, numbers = [one.subscription_id for one in some], [one.shard for one in some]
    sql.execute(RELEASE, [holder, ids, numbers])


def leave(holder: UUID) -> None:
    """Let others have all of it, as this process ends."""
    sql.execute(RELEASE_ALL, [holder])
    sql.execute(GONE, [holder])

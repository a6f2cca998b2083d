"""Which process works at which shard: rows with the database's time on them, dealt out evenly among those that live."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.thunderflow import queries
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thunderflow.events import STREAM, SubscriptionChanged
from domains.thunderflow.models import Cursor, Lease, Subscription
from domains.thunderflow.subscribers.declared import Subscriber

LEASE_S = 3.0
"""How long a process may keep silent before others take over its shards."""
RENEW_S = 1.0


def in_use(within: str) -> str:
    """A condition on subscriptions `s`: a process says that it serves it, or worked at it so short a time ago.

    Other code than this may declare it.
    """
    return f"""(EXISTS (
        SELECT FROM event_leases l WHERE l.subscription_id = s.id AND l.expires_at > now() - interval '{within}'
    ) OR EXISTS (
        SELECT FROM event_followers f WHERE s.name = ANY(f.serves) AND f.seen_at > now() - interval '{within}'
    ))"""


UNDECLARE = f"""
UPDATE event_subscriptions s SET declared = false
WHERE declared AND NOT name = ANY(%s) AND NOT {in_use("1 minute")} RETURNING name
"""

HERE = """
INSERT INTO event_followers (id, node, pid, serves, seen_at) VALUES (%s, %s, %s, %s, now())
ON CONFLICT (id) DO UPDATE SET serves = excluded.serves, seen_at = now()
"""
GONE = "DELETE FROM event_followers WHERE id = %s OR seen_at < now() - interval '1 minute'"

RENEW = "UPDATE event_leases SET expires_at = now() + make_interval(secs => %s) WHERE holder = %s"

# What a process should hold: of the shards that the same followers serve as many as each other one of these, first of
# what it has, then of what is free. Evened out over all shards, some might be left to followers that do not know them.
PART = """
SELECT id FROM (
    SELECT l.id, count(*) OVER (PARTITION BY able.followers) / cardinality(able.followers)::float8 AS share,
           row_number() OVER (
               PARTITION BY able.followers
               ORDER BY l.holder IS DISTINCT FROM %(me)s, l.holder IS NOT NULL AND l.expires_at >= now(), l.id
           ) AS place
    FROM event_leases l JOIN (
        SELECT s.id, array_agg(f.id ORDER BY f.id) AS followers
        FROM event_subscriptions s JOIN event_followers f ON s.name = ANY(f.serves)
        WHERE f.seen_at > now() - make_interval(secs => %(lease_s)s) GROUP BY s.id
    ) able ON able.id = l.subscription_id
    WHERE %(me)s = ANY(able.followers)
) known WHERE place <= ceil(share) OR %(greedy)s
"""

CLAIM = f"""
UPDATE event_leases SET holder = %(me)s, expires_at = now() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT id FROM event_leases WHERE (holder IS NULL OR expires_at < now()) AND id IN ({PART})
    ORDER BY id FOR UPDATE SKIP LOCKED
)
"""

GIVE_BACK = f"UPDATE event_leases SET holder = NULL, expires_at = now() WHERE holder = %(me)s AND id NOT IN ({PART})"

MINE = """
SELECT s.name, l.subscription_id, l.shard, s.paused FROM event_leases l
JOIN event_subscriptions s ON s.id = l.subscription_id
WHERE l.holder = %s AND l.expires_at > now() ORDER BY s.name, l.shard
"""

LEAVE = """
UPDATE event_leases SET holder = NULL, expires_at = now()
WHERE holder = %s AND (subscription_id, shard) NOT IN (SELECT * FROM unnest(%s::uuid[], %s::int2[]))
"""


class Held(NamedTuple):
    """A shard whose lease is ours."""

    name: str
    subscription_id: UUID
    shard: int
    paused: bool


def declare(subscribers: Collection[Subscriber]) -> None:
    """Give each declared subscriber its rows; those that no code declares any more no longer hold up anything.

    To be repeated now and then: one that another process serves is let be until that has been gone for a minute.
    The number of shards stays what it was at first: streams would change hands with their order.
    """
    with transaction.atomic():
        sql.execute("SELECT pg_advisory_xact_lock(1163284301, 4)")
        known = {row.name: row for row in Subscription.objects.all()}
        names = [one.name for one in subscribers]
        back = [name for name in names if name in known and not known[name].declared]
        Subscription.objects.filter(name__in=back).update(declared=True)
        gone = [name for (name,) in sql.fetch_rows(UNDECLARE, [names])]
        for one in subscribers:
            if one.name not in known:
                _begin(one)
            elif known[one.name].pattern != one.pattern:
                Subscription.objects.filter(name=one.name).update(pattern=one.pattern)
        publish_many([*(_changed(name, "declared") for name in back), *(_changed(name, "undeclared") for name in gone)])


def _begin(one: Subscriber) -> None:
    row = Subscription.objects.create(name=one.name, pattern=one.pattern, shards=one.shards)
    position = 0 if one.start == "beginning" else queries.settled()
    shards = range(one.shards)
    Cursor.objects.bulk_create(Cursor(subscription=row, shard=shard, position=position) for shard in shards)
    Lease.objects.bulk_create(Lease(subscription=row, shard=shard, expires_at=row.inserted_at) for shard in shards)
    publish(_changed(one.name, "declared", position))


def _changed(name: str, what: str, position: int | None = None) -> NewEvent:
    payload = SubscriptionChanged(subscription=name, what=what, position=position)
    return NewEvent(STREAM, SubscriptionChanged.topic, payload)


def shards(names: Sequence[str]) -> dict[str, int]:
    """How many shards each subscription really has."""
    return dict(Subscription.objects.filter(name__in=names).values_list("name", "shards"))


def turn(holder: UUID, names: Sequence[str], *, greedy: bool = False) -> list[Held]:
    """Tell that this process lives and whom it serves, renew its leases, take its part of what is free, and give back
    what is more. Returns what it holds.

    One that is `greedy` takes all that is free, and keeps it.
    """
    sql.execute(HERE, [holder, socket.gethostname(), os.getpid(), list(names)])
    sql.execute(RENEW, [LEASE_S, holder])
    part = {"me": holder, "lease_s": LEASE_S, "greedy": greedy}
    sql.execute(CLAIM, part)
    sql.execute(GIVE_BACK, part)
    return [Held(*row) for row in sql.fetch_rows(MINE, [holder])]


def leave(holder: UUID, *, but: Collection[tuple[UUID, int]] = ()) -> None:
    """Let others have all of it but these shards, as this process ends."""
    sql.execute(GONE, [holder])
    sql.execute(LEAVE, [holder, [one for one, _ in but], [number for _, number in but]])

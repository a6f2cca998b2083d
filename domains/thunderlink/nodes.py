"""Which web processes live, where clients reach them and how busy they are.

A node says each second that it lives. One that is silent for five seconds on the database's clock is dead to everybody
at once; that it died is told once, by whoever looks first, and it can come back. One that left does not.

    register() ──► live ──leave()──► left
                  │    ▲
        mark_dead()    beat()
                  ▼    │
                   dead ──after an hour──► swept, as those that left
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from domains import sql
from domains.ids import new_id
from domains.thunderflow import context
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thunderlink import events
from domains.thunderlink.models import Node

DEAD_S = 5.0
"""Seconds without a beat after which a node is dead."""
SWEPT_S = 3600.0

# One that was taken for dead comes back; one that left stays away, though a beat may have been under way.
JOIN = """
INSERT INTO nodes AS n (id, name, address, pid, status, started_at, seen_at, cpu, memory_mb, sessions)
VALUES (%s, %s, %s, %s, 'live', statement_timestamp(), statement_timestamp(), 0, 0, 0)
ON CONFLICT (id) DO UPDATE SET status = 'live', seen_at = statement_timestamp() WHERE n.status = 'dead'
RETURNING id, name, address, pid
"""

LEAVE = """
UPDATE nodes SET status = 'left', seen_at = statement_timestamp(), sessions = 0
WHERE id = %s AND status = 'live' RETURNING id, name, address, pid
"""

# A row that is locked is in the hands of another who looks, or of its beat.
DIE = """
UPDATE nodes SET status = 'dead' WHERE id IN (
    SELECT id FROM nodes WHERE status = 'live' AND seen_at <= statement_timestamp() - make_interval(secs => %s)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id, name, address, pid
"""

SWEEP = """
DELETE FROM nodes WHERE status <> 'live' AND seen_at <= statement_timestamp() - make_interval(secs => %s)
"""


KNOWN = """
SELECT * FROM (
    SELECT id, name, address, pid, started_at, seen_at, cpu, memory_mb, sessions,
           CASE WHEN status = 'left' THEN 'left'
                WHEN status = 'live' AND seen_at > statement_timestamp() - make_interval(secs => %s) THEN 'live'
                ELSE 'silent' END AS state
    FROM nodes WHERE seen_at > statement_timestamp() - make_interval(secs => %s)
) known
ORDER BY state = 'live' DESC, seen_at DESC, id LIMIT 100
"""


class UnknownNode(LookupError):
    """The row is gone, and another process registered it: nobody here knows its address."""


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node as it said at its last beat. `cpu` is 0–1; instants are UTC."""

    id: UUID
    name: str
    address: str
    pid: int
    started_at: datetime
    seen_at: datetime
    cpu: float
    memory_mb: float
    sessions: int


@dataclass(frozen=True, slots=True)
class KnownNode(LiveNode):
    """The same of any node that there was within the hour. `state`: `live`, `silent` or `left`."""

    state: str


FIELDS = [field.name for field in fields(LiveNode)]

_addresses: dict[UUID, str] = {}
"""Of the nodes that this process registered."""


def register(address: str) -> UUID:
    """This process serves sockets from now on. `address` is `ws://host:port` as clients reach it. Returns its id."""
    node_id = new_id()
    _join(node_id, address)
    _addresses[node_id] = address
    return node_id


def beat(node_id: UUID, *, sessions: int, cpu: float, memory_mb: float) -> None:
    """Say that a node lives: one UPDATE, each second. One that was taken for dead, or whose row was swept, joins again.

    `cpu` is cut to 0–1. Does nothing for a node that left. Raises: UnknownNode.
    """
    figures = {"sessions": max(0, sessions), "cpu": min(1.0, max(0.0, cpu)), "memory_mb": max(0.0, memory_mb)}
    row = Node.objects.filter(pk=node_id)
    if row.filter(status=Node.Status.LIVE).update(seen_at=Now(), **figures):
        return
    address = _addresses.get(node_id) or row.values_list("address", flat=True).first()
    if address is None:
        raise UnknownNode(f"no node is known by the id {node_id}")
    _join(node_id, address)
    row.filter(status=Node.Status.LIVE).update(**figures)


def _join(node_id: UUID, address: str) -> None:
    with transaction.atomic():
        joined = sql.fetch_rows(JOIN, [node_id, context.node(), address, os.getpid()])
        _tell(events.NodeJoined, joined)


def leave(node_id: UUID) -> None:
    """This process serves no sockets any more. Does nothing for one that is dead or gone."""
    _addresses.pop(node_id, None)
    with transaction.atomic():
        _tell(events.NodeLeft, sql.fetch_rows(LEAVE, [node_id]))


def live(now: datetime | None = None) -> list[LiveNode]:
    """Nodes that have beaten within the last five seconds before `now` (the database's if None), by id. One query."""
    rows = Node.objects.filter(status=Node.Status.LIVE, seen_at__gt=(now or Now()) - timedelta(seconds=DEAD_S))
    return [LiveNode(*row) for row in rows.order_by("pk").values_list(*FIELDS)]


def known() -> list[KnownNode]:
    """Nodes that live, and those that left or fell silent within the last hour; the live ones first. One query."""
    return [KnownNode(*row) for row in sql.fetch_rows(KNOWN, [DEAD_S, SWEPT_S])]


def mark_dead() -> list[UUID]:
    """Note which nodes have died since somebody looked, and tell it. Returns them, by id; each to one caller only."""
    with transaction.atomic():
        died = sorted(sql.fetch_rows(DIE, [DEAD_S]))
        _tell(events.NodeDied, died)
    return [row[0] for row in died]


def sweep() -> int:
    """Mark the dead, and delete the rows of those that are gone for an hour. Returns how many went."""
    mark_dead()
    return sql.execute(SWEEP, [SWEPT_S])


def _tell(kind: type[events.NodeChanged], rows: list[tuple[Any, ...]]) -> None:
    payloads = [kind(node_id=id_, name=name, address=address, pid=pid) for id_, name, address, pid in rows]
    publish_many([NewEvent(events.STREAM, kind.topic, payload) for payload in payloads])

"""What state the domains are in, what is kept for how long, and how much room there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils import timezone

from domains.lifecycle import all_domains
from domains.retention import Piece, stores
from domains.thunderblock import retention
from domains.thunderblock.events import STREAM
from domains.thunderblock.models import ActiveDomain, Disk, DiskLevel, RetentionPolicy, Status
from domains.thunderflow import queries as thunderflow

FAULT_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """One domain. `fault` is a sentence when it needs a person, else None."""

    name: str
    status: str
    enabled: bool
    reason: str
    tick_count: int
    last_tick: int
    activated_at: datetime | None
    updated_at: datetime
    metadata: dict[str, Any]
    fault: str | None
    ticked_at: datetime | None
    """When it acknowledged a heartbeat last."""
    failures: int
    """Failed tries in a row; after the last one it is tried again at `retry_at`."""
    retry_at: datetime | None


def domain_status(name: str) -> DomainStatus | None:
    """One domain's state; None when there is no such domain."""
    row = ActiveDomain.objects.filter(domain_name=name).first()
    return _status(row, timezone.now()) if row else None


def domains() -> list[DomainStatus]:
    """All domains by name."""
    now = timezone.now()
    return [_status(row, now) for row in ActiveDomain.objects.all()]


def active_domains() -> list[str]:
    """Names of the active ones, sorted."""
    return list(ActiveDomain.objects.filter(status=Status.ACTIVE).values_list("domain_name", flat=True))


def active_count() -> int:
    """How many are active."""
    return ActiveDomain.objects.filter(status=Status.ACTIVE).count()


def latest_acknowledged() -> int | None:
    """Number of the latest heartbeat that a worker took up for any active domain; None while none is active."""
    return ActiveDomain.objects.filter(status=Status.ACTIVE).aggregate(latest=Max("last_tick"))["latest"]


def is_active(name: str) -> bool:
    """Whether one domain is active."""
    return ActiveDomain.objects.filter(domain_name=name, status=Status.ACTIVE).exists()


def waiting() -> list[str]:
    """Enabled domains that wait for their activation."""
    states = (Status.WAITING, Status.RESTARTING)
    rows = ActiveDomain.objects.filter(enabled=True, status__in=states)
    return list(rows.values_list("domain_name", flat=True))


# Of the newest events of the system only: a domain that has not changed for long is not looked for in all of them.
CHANGES = f"""
SELECT * FROM (SELECT {thunderflow.FIELDS} FROM events WHERE stream = %s ORDER BY seq DESC LIMIT %s) newest
WHERE starts_with(topic, 'system.domain_') ORDER BY seq DESC LIMIT %s
"""


def activation_history(limit: int = 50, *, within: int = 5000) -> list[thunderflow.StoredEvent]:
    """The latest changes of state, newest first, of the system's newest `within` events. One query."""
    return thunderflow.fetch_events(CHANGES, [STREAM, within, limit])


def needs() -> dict[str, tuple[str, ...]]:
    """Each installed domain with those that it needs, those needed first. No query."""
    return {config.domain: config.depends_on for config in all_domains()}


def needed_by(name: str) -> list[str]:
    """Domains that cannot start without this one, directly or through others; the nearest first. No query."""
    found = {name}
    for other, needed in needs().items():
        if not found.isdisjoint(needed):
            found.add(other)
    return [other for other in needs() if other in found - {name}]


def _status(row: ActiveDomain, now: datetime) -> DomainStatus:
    return DomainStatus(
        name=row.domain_name,
        status=row.status,
        enabled=row.enabled,
        reason=row.reason,
        tick_count=row.tick_count,
        last_tick=row.last_tick,
        activated_at=row.activated_at,
        updated_at=row.updated_at,
        metadata=row.metadata,
        fault=_fault(row, now),
        ticked_at=row.ticked_at,
        failures=row.failures,
        retry_at=row.retry_at,
    )


def _fault(row: ActiveDomain, now: datetime) -> str | None:
    if row.status == Status.CRASHED:
        return f"crashed: {row.reason}"
    if row.status == Status.WAITING and row.waiting_since and now - row.waiting_since > FAULT_AFTER:
        return f"has waited {_seconds(row.waiting_since, now)} s for a heartbeat"
    if row.status == Status.ACTIVE and row.ticked_at and now - row.ticked_at > FAULT_AFTER:
        return f"has had no tick for {_seconds(row.ticked_at, now)} s"
    if row.status == Status.ACTIVE and row.metadata.get("waits"):
        return f"waits: {row.metadata['waits']}"
    return None


def _seconds(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds())


# --- What is kept, and the room for it -----------------------------------------------------------------------

STALE_AFTER = timedelta(minutes=5)
"""A look at the disk that is older says nothing any more."""


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """How much room the database's disk has. `reason` is a sentence when what can wait shall wait, else empty."""

    level: str
    free_bytes: int
    total_bytes: int
    reason: str


def disk(now: datetime | None = None) -> DiskRoom | None:
    """The disk as it was last looked at; None when it is on another machine, or was not looked at for long."""
    row = Disk.objects.filter(looked_at__gt=(now or timezone.now()) - STALE_AFTER).first()
    if row is None:
        return None
    left = f"{row.free_bytes / 1e9:.1f} GB of {row.total_bytes / 1e9:.0f} GB are free"
    reason = f"the disk is nearly full: {left}" if row.level == DiskLevel.CRITICAL else ""
    return DiskRoom(row.level, row.free_bytes, row.total_bytes, reason)


def waits() -> str:
    """Why what can wait shall wait just now; empty when it may go on. One query."""
    room = disk()
    return room.reason if room else ""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store, its policy, and what that comes to. `goes` are pieces that should go, those that are held up too."""

    store: str
    size_bytes: int
    oldest_at: datetime | None
    enabled: bool
    keep_days: int | None
    max_bytes: int | None
    goes: list[Piece]


def kept(now: datetime) -> list[StoreStatus]:
    """Every store that has a policy, by name. A few queries each."""
    return [
        StoreStatus(
            store=policy.store,
            size_bytes=(store := stores()[policy.store]).size_bytes(),
            oldest_at=store.oldest_at(),
            enabled=policy.enabled,
            keep_days=policy.keep_days,
            max_bytes=policy.max_bytes,
            goes=store.due(retention.limits(policy), now),
        )
        for policy in RetentionPolicy.objects.filter(store__in=stores())
    ]


def store_sizes() -> dict[str, int]:
    """Bytes on disk by store. One query of the catalogue each."""
    return {name: store.size_bytes() for name, store in stores().items()}

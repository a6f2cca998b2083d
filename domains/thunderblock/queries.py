"""What state the domains are in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from domains.thunderblock.events import STREAM
from domains.thunderblock.models import ActiveDomain, Status
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


def is_active(name: str) -> bool:
    """Whether one domain is active."""
    return ActiveDomain.objects.filter(domain_name=name, status=Status.ACTIVE).exists()


def waiting() -> list[str]:
    """Enabled domains that wait for their activation."""
    states = (Status.WAITING, Status.RESTARTING)
    rows = ActiveDomain.objects.filter(enabled=True, status__in=states)
    return list(rows.values_list("domain_name", flat=True))


def activation_history(limit: int = 50) -> list[thunderflow.StoredEvent]:
    """The latest changes of state, newest first."""
    return thunderflow.stream_latest(STREAM, limit=limit)


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
    )


def _fault(row: ActiveDomain, now: datetime) -> str | None:
    if row.status == Status.CRASHED:
        return f"crashed: {row.reason}"
    if row.status == Status.WAITING and row.waiting_since and now - row.waiting_since > FAULT_AFTER:
        return f"has waited {_seconds(row.waiting_since, now)} s for a heartbeat"
    if row.status == Status.ACTIVE and row.ticked_at and now - row.ticked_at > FAULT_AFTER:
        return f"has had no tick for {_seconds(row.ticked_at, now)} s"
    return None


def _seconds(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds())

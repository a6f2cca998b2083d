"""Moving domains between their states. Every change is guarded by the state it starts from, and tells its event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domains.lifecycle import Tick, Unhealthy, all_domains, domain
from domains.thunderblock import events
from domains.thunderblock.models import ActiveDomain, Status
from domains.thunderflow.actions import NewEvent, publish

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 2
LONGEST_DELAY_S = 300


class UnknownDomain(LookupError):
    """No installed domain has that name."""


def retry_delay(failures: int) -> timedelta:
    """Time before the next try: 2 s, then twice as long each time, at most 5 minutes."""
    return timedelta(seconds=min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures - 1, 16)))


def start_all(*, now: datetime, eager: bool = False) -> None:
    """Begin a run of the system: every enabled domain waits, every disabled one is inactive.

    With `eager`, they are activated here and now instead of on the first heartbeats.
    """
    sync(now=now)
    with transaction.atomic():
        for row in ActiveDomain.objects.select_for_update().order_by("domain_name"):
            _begin(row, now)
    if eager:
        for config in all_domains():
            activate(config.domain, Tick(number=0, at=now))


def _begin(row: ActiveDomain, now: datetime) -> None:
    status, reason = (Status.WAITING, "waiting for a heartbeat") if row.enabled else (Status.INACTIVE, row.reason)
    fields = {"retry_at": None, "failures": 0, "waiting_since": now if row.enabled else None}
    if row.status == status:
        ActiveDomain.objects.filter(pk=row.pk).update(reason=reason, updated_at=now, **fields)
    else:
        _change(row, status, Tick(row.last_tick, now), reason=reason, **fields)


def sync(*, now: datetime) -> None:
    """Enter domains that are installed and not yet known; forget those that are gone."""
    names = [config.domain for config in all_domains()]
    fresh = [ActiveDomain(domain_name=name, waiting_since=now, reason="waiting for a heartbeat") for name in names]
    ActiveDomain.objects.bulk_create(fresh, ignore_conflicts=True)
    ActiveDomain.objects.exclude(domain_name__in=names).delete()


def activate(name: str, tick: Tick) -> bool:
    """Try to make a waiting, crashed or restarting domain active. Returns whether it is active now.

    Does nothing while another process tries, when it is switched off, or when one that it depends on is not active.
    """
    with transaction.atomic():
        row = ActiveDomain.objects.select_for_update(skip_locked=True).filter(domain_name=name, enabled=True).first()
        if row is None or row.status in (Status.ACTIVE, Status.INACTIVE):
            return row is not None and row.status == Status.ACTIVE
        if missing := _missing(name):
            ActiveDomain.objects.filter(pk=row.pk).update(reason=f"waiting for {', '.join(missing)}")
            return False
        if error := _attempt(lambda: domain(name).activate(tick)):
            _crash(row, tick, f"activate: {error}")
            return False
        _change(
            row,
            Status.ACTIVE,
            tick,
            failures=0,
            retry_at=None,
            waiting_since=None,
            activated_at=tick.at,
            ticked_at=tick.at,
        )
        return True


def _missing(name: str) -> list[str]:
    needed = domain(name).depends_on
    active = ActiveDomain.objects.filter(domain_name__in=needed, status=Status.ACTIVE)
    return sorted(set(needed) - set(active.values_list("domain_name", flat=True)))


def _attempt(call: Callable[[], object]) -> str:
    """Run a hook in a savepoint of its own. Returns what went wrong, or an empty string."""
    try:
        with transaction.atomic():
            call()
    except Exception as error:
        logger.exception("a domain's hook failed")
        return f"{type(error).__name__}: {error}"
    return ""


def _crash(row: ActiveDomain, tick: Tick, reason: str) -> None:
    failures = row.failures + 1
    _change(
        row,
        Status.CRASHED,
        tick,
        reason=reason[:500],
        failures=failures,
        retry_at=tick.at + retry_delay(failures),
    )


def _change(row: ActiveDomain, status: Status, tick: Tick, *, reason: str = "", **fields: object) -> None:
    ActiveDomain.objects.filter(pk=row.pk).update(status=status, reason=reason, updated_at=timezone.now(), **fields)
    verb = {Status.ACTIVE: "activated", Status.INACTIVE: "deactivated"}.get(status, str(status))
    payload = events.DomainChanged(
        domain=row.domain_name, was=row.status, status=status, tick=tick.number, reason=reason
    )
    publish(NewEvent(events.STREAM, f"system.domain_{verb}", payload))


def run_tick(name: str, tick: Tick) -> bool:
    """Give an active domain its `on_tick` and count the acknowledgement. Returns whether it ran without error.

    A tick that was acknowledged already, by a task delivered twice, is not run again.
    """
    claimed = ActiveDomain.objects.filter(domain_name=name, status=Status.ACTIVE, last_tick__lt=tick.number)
    if not claimed.update(last_tick=tick.number):
        return False
    try:
        domain(name).on_tick(tick)
    except Exception:
        logger.exception("%s failed on heartbeat %s", name, tick.number)
        ActiveDomain.objects.filter(domain_name=name).update(
            metadata={"last_error_tick": tick.number}, updated_at=tick.at
        )
        return False
    ActiveDomain.objects.filter(domain_name=name).update(tick_count=F("tick_count") + 1, ticked_at=tick.at)
    return True


def check_health(name: str, tick: Tick) -> bool:
    """Ask an active domain how it is; one that fails becomes `crashed` and those that need it go on waiting."""
    try:
        figures = domain(name).health()
    except Exception as error:
        logger.warning("%s is unhealthy: %s", name, error)
        reason = str(error) if isinstance(error, Unhealthy) else f"{type(error).__name__}: {error}"
        with transaction.atomic():
            row = ActiveDomain.objects.select_for_update().get(domain_name=name)
            if row.status == Status.ACTIVE:
                _crash(row, tick, f"health: {reason}")
        return False
    ActiveDomain.objects.filter(domain_name=name).update(metadata=figures)
    return True


def restart_due(tick: Tick) -> list[str]:
    """Turn crashed domains whose delay is over into restarting ones. Returns their names."""
    with transaction.atomic():
        rows = list(
            ActiveDomain.objects.select_for_update(skip_locked=True).filter(
                status=Status.CRASHED, enabled=True, retry_at__lte=tick.at
            )
        )
        for row in rows:
            _change(row, Status.RESTARTING, tick, reason=row.reason)
    return [row.domain_name for row in rows]


def switch_on(name: str, *, now: datetime) -> ActiveDomain:
    """An operator's wish that a domain run: it waits for the next heartbeat. Raises: UnknownDomain."""
    return _switch(name, now=now, enabled=True, reason="waiting for a heartbeat")


def switch_off(name: str, *, reason: str, now: datetime) -> ActiveDomain:
    """An operator's wish that a domain rest, over restarts too. Raises: UnknownDomain."""
    row = _switch(name, now=now, enabled=False, reason=reason)
    _attempt(lambda: domain(name).deactivate(reason))
    return row


def _switch(name: str, *, now: datetime, enabled: bool, reason: str) -> ActiveDomain:
    with transaction.atomic():
        row = ActiveDomain.objects.select_for_update().filter(domain_name=name).first()
        if row is None:
            raise UnknownDomain(f"there is no domain called {name!r}")
        if row.enabled == enabled and (enabled or row.status == Status.INACTIVE):
            return row
        status = Status.WAITING if enabled else Status.INACTIVE
        tick = Tick(number=row.last_tick, at=now)
        _change(
            row, status, tick, reason=reason, enabled=enabled, failures=0, retry_at=None,
            waiting_since=now if enabled else None,
        )  # fmt: skip
        row.refresh_from_db()
        return row

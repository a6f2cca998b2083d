"""Carrying out what policies say: once a minute, by one process at a time, in small steps that can be redone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from domains import sql
from domains.retention import Busy, Gone, Limits, Piece, Store, stores
from domains.thunderblock import events
from domains.thunderblock.models import RetentionPolicy
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.context import acting

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=58)
BUDGET_S = 2.0
"""No step is begun after this; a step takes seven seconds at most, and the task has ten."""

# The form with two numbers: the one with one belongs to those who publish. Who sets a subscriber back shares it.
ALONE = "SELECT pg_try_advisory_lock(1163284301, 3)"
RELEASE = "SELECT pg_advisory_unlock(1163284301, 3)"


class RetentionError(Exception):
    """A policy that cannot be."""


def sync() -> None:
    """See to it that every store has a policy."""
    known = set(RetentionPolicy.objects.values_list("store", flat=True))
    fresh = [
        RetentionPolicy(store=name, keep_days=store.usual.keep_days, max_bytes=store.usual.max_bytes)
        for name, store in stores().items()
        if name not in known
    ]
    RetentionPolicy.objects.bulk_create(fresh, ignore_conflicts=True)


def set_policy(store: str, *, by: str, **changes: Any) -> RetentionPolicy:
    """Change `enabled`, `keep_days` or `max_bytes` of a store's policy, and tell it. Raises: RetentionError."""
    with transaction.atomic():
        row = RetentionPolicy.objects.select_for_update().filter(store=store).first()
        if row is None:
            raise RetentionError(f"nothing called {store!r} is kept; there is {', '.join(stores())}")
        changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
        if not changed:
            return row
        for name, value in changed.items():
            setattr(row, name, value)
        try:
            row.full_clean()
        except ValidationError as error:
            raise RetentionError("; ".join(error.messages)) from error
        row.save(update_fields=[*changed, "updated_at"])
        payload = events.RetentionChanged(
            store=store, enabled=row.enabled, keep_days=row.keep_days, max_bytes=row.max_bytes
        )
        with acting(actor=by):
            publish(NewEvent(events.STREAM, "system.retention_changed", payload))
    return row


def limits(policy: RetentionPolicy) -> Limits:
    """What a policy asks for; nothing while it is off."""
    return Limits(policy.keep_days, policy.max_bytes) if policy.enabled else Limits(None, None)


def run_due(*, now: datetime) -> list[Gone]:
    """Carry out policies that nobody has looked at for a minute. One plain read when there is none."""
    late = Q(looked_at=None) | Q(looked_at__lte=now - EVERY)
    return run(now=now) if RetentionPolicy.objects.filter(late, store__in=stores()).exists() else []


def run(
    *, now: datetime, budget_s: float = BUDGET_S, clock: Callable[[], float] = time.monotonic,
    busy: Callable[[str], object] = logger.info,
) -> list[Gone]:  # fmt: skip
    """Carry out every policy. Returns what went; nothing while another process is at it, which is no harm.

    Needs to be outside a transaction. Waits for no lock longer than two seconds: what could not be done is left for
    the next time, and `busy` told; what there was no time for is left too.
    """
    until = clock() + budget_s
    gone: list[Gone] = []
    with _alone() as mine:
        if not mine:
            busy("another process is at it")
        for policy in RetentionPolicy.objects.filter(store__in=stores()).order_by("looked_at", "store") if mine else ():
            RetentionPolicy.objects.filter(pk=policy.pk).update(looked_at=now)
            for step in _steps(stores()[policy.store], policy, now, gone):
                try:
                    step()
                except Busy as error:
                    busy(f"{policy.store}: tried again later: {error}")
                    break
                if clock() >= until:
                    return gone
    return gone


@contextmanager
def _alone() -> Iterator[bool]:
    mine = bool(sql.fetch_rows(ALONE)[0][0])
    try:
        yield mine
    finally:
        if mine:
            sql.fetch_rows(RELEASE)


def _steps(store: Store, policy: RetentionPolicy, now: datetime, gone: list[Gone]) -> Iterator[Callable[[], None]]:
    """Each can be the last: what was begun before is finished first."""

    def tell(what: Gone) -> None:
        payload = events.RetentionApplied(
            store=store.name, what=what.name, rows=what.rows, bytes=what.bytes, reason=what.reason
        )
        publish(NewEvent(events.STREAM, "system.retention_applied", payload))
        gone.append(what)

    yield lambda: store.finish(tell)
    due = store.due(limits(policy), now)
    _tell_held(policy, due)
    for piece in due:
        # Each may have taken seconds: whoever was set back meanwhile holds what comes next.
        policy.refresh_from_db(fields=["enabled", "keep_days", "max_bytes"])
        still = {one.name: one for one in store.due(limits(policy), now)}.get(piece.name)
        if still is None or still.held_by:
            return
        yield lambda piece=piece: store.let_go(piece, tell)  # type: ignore[misc]


def _tell_held(policy: RetentionPolicy, due: list[Piece]) -> None:
    """Say of each subscriber once that it holds up what should go, and forget those that no longer do."""
    held = {holder.name: (holder, piece) for piece in reversed(due) for holder in piece.held_by}
    if sorted(held) == policy.held_by:
        return
    with transaction.atomic():
        RetentionPolicy.objects.filter(pk=policy.pk).update(held_by=sorted(held), updated_at=timezone.now())
        for name in sorted(held.keys() - set(policy.held_by)):
            holder, piece = held[name]
            payload = events.RetentionBlocked(
                store=policy.store, subscription=name, behind=holder.behind, what=piece.name, reason=piece.reason,
                bytes=piece.bytes, newest_at=piece.newest_at,
            )  # fmt: skip
            publish(NewEvent(events.STREAM, "system.retention_blocked", payload))

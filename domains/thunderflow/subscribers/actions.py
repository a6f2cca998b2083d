"""What operators do about subscriptions and dead letters. Each change is told in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains import sql
from domains.thunderflow import hints, partitions, queries
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.context import acting
from domains.thunderflow.events import STREAM, DeadLettersPileUp, DeadLettersResolved, SubscriptionChanged
from domains.thunderflow.models import Cursor, DeadLetter, ParkedStream, Subscription
from domains.thunderflow.patterns import to_regex


class SubscriptionError(Exception):
    """A wish about subscriptions that cannot be granted; the message says what to do. Nothing was changed."""

    code = "subscription_error"


class NoSuchSubscription(SubscriptionError):
    """There is none of that name."""

    code = "subscription_not_found"


def find(name: str) -> Subscription:
    """Raises: NoSuchSubscription."""
    found = Subscription.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(Subscription.objects.values_list("name", flat=True)) or "none yet"
        raise NoSuchSubscription(f"there is no subscription {name!r}; there are: {names}")
    return found


def pause(name: str, *, by: str) -> None:
    """Let a subscriber handle nothing until `resume`; nothing is lost meanwhile. Raises: NoSuchSubscription."""
    _set_paused(name, True, by=by)


def resume(name: str, *, by: str) -> None:
    """Let it go on where it was. Raises: NoSuchSubscription."""
    _set_paused(name, False, by=by)


def _set_paused(name: str, paused: bool, *, by: str) -> None:
    row = find(name)
    with transaction.atomic(), acting(actor=by):
        changed = Subscription.objects.filter(pk=row.pk).exclude(paused=paused)
        if changed.update(paused=paused, paused_by=by if paused else "", updated_at=timezone.now()):
            _tell(name, "paused" if paused else "resumed")


def rewind(name: str, *, to: int, by: str) -> None:
    """Let a subscriber handle again what came after a position; streams that were parked later start there too.

    Its effects come a second time, so it should be paused and made ready for that. Raises: SubscriptionError.
    """
    row = find(name)
    if not row.paused:
        raise SubscriptionError(f"{name} is running: pause it first, so that nothing is handled while it is set back")
    with transaction.atomic(), acting(actor=by):
        partitions.keep()
        oldest, settled = partitions.oldest(), queries.settled()
        if to < oldest - 1:
            raise SubscriptionError(f"the log begins at position {oldest}, so it goes back to {oldest - 1} at most")
        if to > settled:
            raise SubscriptionError(f"position {to} is not in the log, which ends at {settled}")
        list(Cursor.objects.select_for_update().filter(subscription=row).order_by("shard"))
        Cursor.objects.filter(subscription=row).update(position=to, updated_at=timezone.now())
        ParkedStream.objects.filter(subscription=row, position__gt=to).delete()
        _tell(name, "rewound", to)


def _tell(name: str, what: str, position: int | None = None) -> None:
    payload = SubscriptionChanged(subscription=name, what=what, position=position)
    publish(NewEvent(STREAM, SubscriptionChanged.topic, payload))


# --- Dead letters --------------------------------------------------------------------------------------------


def dead_letters(
    *, subscription: str | None = None, pattern: str | None = None, error_class: str | None = None,
    status: str | None = DeadLetter.Status.WAITING, ids: Sequence[UUID] | None = None,
) -> QuerySet[DeadLetter]:  # fmt: skip
    """Dead letters by any of these, the newest first. Raises: patterns.BadPattern, NoSuchSubscription."""
    found = DeadLetter.objects.select_related("subscription")
    if subscription:
        found = found.filter(subscription=find(subscription))
    if pattern:
        found = found.extra(where=["'.' || topic ~ %s"], params=[to_regex(pattern)])
    if error_class:
        found = found.filter(error_class=error_class)
    if status:
        found = found.filter(status=status)
    return found if ids is None else found.filter(pk__in=ids)


def retry(which: QuerySet[DeadLetter], *, by: str) -> int:
    """Send dead letters that wait to their subscribers again, out of order and marked so. Returns how many."""
    return _resolve(which, DeadLetter.Status.RETRYING, "retried", by=by)


def discard(which: QuerySet[DeadLetter], *, by: str) -> int:
    """Let dead letters that wait go for good; the rows stay. Returns how many."""
    return _resolve(which, DeadLetter.Status.DISCARDED, "discarded", by=by)


def _resolve(which: QuerySet[DeadLetter], status: str, what: str, *, by: str) -> int:
    now = timezone.now()
    with transaction.atomic(), acting(actor=by):
        waiting = which.filter(status=DeadLetter.Status.WAITING)
        names = sorted(set(waiting.order_by().values_list("subscription__name", flat=True)))
        values = {"status": status, "updated_at": now}
        if status == DeadLetter.Status.DISCARDED:
            values |= {"resolved_at": now}
        count = waiting.order_by().update(resolved_by=by, **values)
        if count:
            payload = DeadLettersResolved(what=what, count=count, subscriptions=names)
            publish(NewEvent(STREAM, DeadLettersResolved.topic, payload))
    hints.tell()
    return count


PILES = """
SELECT s.id, s.name, s.alerted, n.count FROM event_subscriptions s, LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM event_dead_letters d WHERE d.subscription_id = s.id AND d.status = 'waiting' LIMIT %s
    ) AS letters
) n WHERE (n.count > %s) <> s.alerted
"""


def watch_piles(*, most: int) -> int:
    """Tell once of each subscriber of whose dead letters more than `most` wait. Returns of how many was told."""
    told = 0
    for pk, name, alerted, count in sql.fetch_rows(PILES, [most * 10 + 10, most]):
        with transaction.atomic():
            if Subscription.objects.filter(pk=pk, alerted=alerted).update(alerted=not alerted) and not alerted:
                payload = DeadLettersPileUp(subscription=name, waiting=count, threshold=most)
                publish(NewEvent(STREAM, DeadLettersPileUp.topic, payload))
                told += 1
    return told

"""Sending history to a subscriber again: batch by batch, each in a transaction of its own, whatever its cursors say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from django.db import transaction

from domains.thunderflow import context, partitions, queries
from domains.thunderflow.payloads import today
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers.actions import SubscriptionError
from domains.thunderflow.subscribers.calls import see_transaction
from domains.thunderflow.subscribers.declared import Subscriber


def events(*, first: int, last: int, pattern: str = "**", most: int = 1000) -> Iterator[tuple[list[StoredEvent], int]]:
    """Events between two positions, both included, in order, with where each batch ends.

    Raises: BadPattern, SubscriptionError when the first of them is gone.
    """
    if first < (oldest := partitions.oldest()):
        raise SubscriptionError(f"what came before position {oldest:,} is gone: the log begins there")
    after, last, reach = first - 1, min(last, queries.settled()), queries.Reach(most)
    while after < last:
        upto = reach.end(after, last)
        found, reached = queries.read(after=after, upto=upto, pattern=pattern, limit=most)
        reach.learn(after, reached, enough=len(found) == most)
        after = reached
        yield found, after


def replay(
    subscriber: Subscriber, *, first: int, last: int, pattern: str | None = None, done: Callable[[int, int], object]
) -> int:
    """Let a subscriber handle events again, marked as sent again and in today's shape. Returns how many.

    `done(count, position)` is called after each batch, when it has taken effect: from there a replay that was cut off
    goes on. Nothing is tried twice. Raises: as `events`, UnknownVersion, and what the handler raises, with that batch
    undone.
    """
    count = 0
    for batch, position in events(first=first, last=last, pattern=pattern or subscriber.pattern, most=subscriber.batch):
        if batch:
            _handle(subscriber, [replace(today(event), redelivered=True) for event in batch])
        count += len(batch)
        done(len(batch), position)
    return count


def _handle(subscriber: Subscriber, batch: list[StoredEvent]) -> None:
    with context.acting(actor=f"replay:{subscriber.name}"):
        if subscriber.outside:
            subscriber.handle(batch)
            return
        with transaction.atomic(), transaction.atomic():  # the savepoint begins it, so that its state tells something
            subscriber.handle(batch)
            see_transaction(subscriber)

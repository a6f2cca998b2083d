"""Calling a subscriber's handler: watched, for a cause, and with what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.db import connection, transaction
from psycopg.pq import TransactionStatus

from domains import sql
from domains.thunderflow import breakers, context, faults, metrics
from domains.thunderflow.faults import PERMANENT, Failed
from domains.thunderflow.payloads import UnknownVersion, today
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers.declared import Subscriber


class Abandoned(Exception):
    """This worker hung and another one has its place: nothing that it does counts any more."""


class Work(NamedTuple):
    """A call under way, for the watch."""

    event: StoredEvent | None
    """None for several."""
    until: float
    """By the monotonic clock: when it has taken too long."""
    backend: int
    """The database session's process id."""


class Lost(NamedTuple):
    """A call during which the database session ended."""

    event: StoredEvent | None
    error: BaseException


class Calls:
    """One worker's calls of its handler."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.work: Work | None = None
        self.abandoned = False
        self.lost: Lost | None = None
        self._breaker = breakers.Guard(f"handler:{subscriber.name}")
        self._outcomes: list[BaseException | None] = []

    def resting(self) -> bool:
        """Whether the handler's circuit breaker lets nothing through."""
        return self._breaker.resting()

    def tell_breaker(self) -> None:
        """Count what became of calls. Outside of transactions, which might be undone."""
        outcomes, self._outcomes = self._outcomes, []
        if not self.abandoned and not session_gone():
            for outcome in outcomes:
                self._breaker.note(outcome)

    def check(self) -> None:
        """Raises: Abandoned."""
        if self.abandoned:
            raise Abandoned(self.subscriber.name)

    def within(self, events: Sequence[StoredEvent], *, keep: bool = True) -> BaseException | None:
        """Call the handler within a savepoint, which is undone when that fails, or when it is not to be kept."""
        with transaction.atomic():
            error = self.make(events)
            if error is not None or not keep:
                transaction.set_rollback(True)
        return error

    def make(self, events: Sequence[StoredEvent]) -> BaseException | None:
        """Call the handler with events in today's shape. Returns what went wrong.

        Raises: Abandoned, and what it raised when its session ended.
        """
        single = events[0] if len(events) == 1 else None
        try:
            with self._watched(single), context.caused_by(single):
                self.subscriber.handle([today(event) for event in events])
            self.check()
            see_transaction(self.subscriber)
        except Abandoned:
            raise
        except BaseException as error:  # a handler that wants to exit has failed, no more
            self.check()
            if session_gone():
                self.lost = Lost(single, error)
                raise
            return self._failed(error)
        if not self._outcomes or self._outcomes[-1] is not None:
            self._outcomes.append(None)
        return None

    def _failed(self, error: BaseException) -> BaseException:
        error_class = faults.classify(error)
        metrics.failed.labels(self.subscriber.name, error_class).inc()
        # What only newer code can read says nothing of the handler, which that code may be calling.
        counts = error_class == faults.DEPENDENCY and not isinstance(error, UnknownVersion)
        self._outcomes.append(error if counts else None)
        return error

    @contextmanager
    def _watched(self, event: StoredEvent | None) -> Iterator[None]:
        self.work = Work(event, time.monotonic() + self.subscriber.timeout_s, sql.raw().info.backend_pid)
        try:
            with metrics.call_seconds.labels(self.subscriber.name).time():
                yield
        finally:
            self.work = None


def see_transaction(subscriber: Subscriber) -> None:
    """What swallowed a database error, or ended the transaction, has not done what it seems to have. Raises: Failed."""
    if subscriber.outside:
        return
    status = sql.raw().info.transaction_status
    if not connection.in_atomic_block or connection.needs_rollback or status != TransactionStatus.INTRANS:
        raise Failed(PERMANENT, "the handler left its transaction broken: wrap what may fail in atomic()")


def session_gone() -> bool:
    """Whether this thread's database session has ended."""
    return connection.connection is None or bool(connection.connection.closed)

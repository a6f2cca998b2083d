"""One shard of one subscriber: read what is next, let the handler have it, move the cursor, all in one transaction.

An event that fails is tried again later and holds back only its own stream: the stream is parked at it, the cursor
goes on for all others, and when the stream's time comes it is worked off, in order, up to where the cursor is. What
keeps failing becomes a dead letter, and its stream goes on behind it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from domains import sql
from domains.thunderflow import breakers, context, faults, metrics, queries
from domains.thunderflow.patterns import to_regex
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import statements
from domains.thunderflow.subscribers.declared import Subscriber
from domains.thunderflow.subscribers.failures import Failures, Parked

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a cursor is written that passed nothing of its own, and dead letters are looked for."""
PARKED_AT_ONCE = 200
"""Events of a parked stream that one transaction works off."""

Try = Callable[[StoredEvent], Exception | None]


class Abandoned(Exception):
    """This worker hung and another one has its place: nothing that it does counts any more."""


class Work(NamedTuple):
    """A call of the handler, for the watch."""

    event: StoredEvent | None
    """None when it is not the first of its transaction, or not alone."""
    until: float
    """By the monotonic clock: when it has taken too long."""
    backend: int
    """The database session's process id."""


class Shard:
    """Works at one shard. For one thread; `overdue` and `abandon` are for the one that looks after it."""

    def __init__(self, subscriber: Subscriber, subscription_id: UUID, shard: int, *, solo: int = 0) -> None:
        self.subscriber, self.subscription_id, self.shard = subscriber, subscription_id, shard
        self.name = f"{subscriber.name}/{shard}"
        self.failures = Failures(subscriber, subscription_id, shard)
        self.work: Work | None = None
        self.abandoned = False
        self._key = (subscription_id, shard)
        self._regex = to_regex(subscriber.pattern)
        self._breaker = breakers.Guard(f"handler:{subscriber.name}")
        self._outcomes: list[Exception | None] = []
        """Tries of the transaction under way, for the breaker."""
        self._first = True
        """Nothing of the transaction under way has been handled yet."""
        self._careful = False
        """The next batch is handled event by event, since the last one failed."""
        self._solo = solo
        """So many events are handled in transactions of their own, since one of them hangs."""
        self._parked = True
        """Streams of ours may be parked."""
        self._seen = 0
        """Up to here nothing is ours, as far as it is not written."""
        self._looked = float("-inf")
        self._reach = queries.Reach(subscriber.batch)

    def run(self) -> bool:
        """Do what is next. Returns whether there may be more to do at once."""
        if self._breaker.resting():
            return False
        try:
            with context.acting(actor=f"subscriber:{self.subscriber.name}"):
                return self._run()
        finally:
            self._tell_breaker()

    def _run(self) -> bool:
        look = time.monotonic() - self._looked > LOOK_S
        if look and self._send_again():
            return True
        resumed = (look or self._parked) and self._resume()
        if look:
            self._looked = time.monotonic()
        return self._advance(write=look) or resumed

    def _tell_breaker(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        if outcomes and not self.abandoned and not _gone():
            for outcome in outcomes:
                self._breaker.note(outcome)

    # --- What is next ------------------------------------------------------------------------------------

    def _advance(self, *, write: bool) -> bool:
        """The next batch of those streams that are not parked."""
        if self.subscriber.outside:
            return self._advance_outside(write=write)
        with self._transaction() as position:
            if position is None:
                return False
            events, reached, parked = self._read(position)
            failed = self._handle(events, parked)
            if failed is None:
                transaction.set_rollback(True)  # what of it took effect is undone, and done again one by one
                return True
            done = len(events) - len(failed)
            for event, error in failed:
                if error is not None:
                    self.failures.failed(Parked.at(event), event, error)
            self._move(position, reached, done, write=write or bool(events or parked or failed))
        metrics.handled.labels(self.subscriber.name).inc(done)
        return reached < queries.settled()

    def _advance_outside(self, *, write: bool) -> bool:
        """The same for effects that no transaction undoes: the cursor moves afterwards, if nobody else moved it."""
        with self._transaction() as position:
            if position is None:
                return False
            events, reached, parked = self._read(position)
        failed = self._handle(events, parked, apart=False)
        if failed is None:
            return True
        done = len(events) - len(failed)
        with self._transaction() as before:
            if before != position:
                return False
            for event, error in failed:
                if error is not None:
                    self.failures.failed(Parked.at(event), event, error)
            self._move(position, reached, done, write=write or bool(events or parked))
        metrics.handled.labels(self.subscriber.name).inc(done)
        return reached < queries.settled()

    @contextmanager
    def _transaction(self) -> Iterator[int | None]:
        """A transaction with the cursor locked. Yields its position; None while somebody else works at it."""
        with transaction.atomic():
            self._first = True
            self.failures.begin()
            rows = sql.fetch_rows(statements.LOCK_CURSOR, self._key)
            yield rows[0][0] if rows else None
            self._check()
            if not transaction.get_rollback():
                self.failures.end()

    def _read(self, position: int) -> tuple[list[StoredEvent], int, set[str]]:
        """What comes next, up to where that looked, and streams that are parked."""
        parked = self.failures.parked_streams()
        self._parked = bool(parked)
        after = max(position, self._seen)
        upto = self._reach.end(after, queries.settled())
        if upto <= after:
            return [], after, parked
        limit = 1 if self._solo else self.subscriber.batch
        params = {
            "after": after, "upto": upto, "regex": self._regex, "limit": limit, "parked": list(parked),
            "shards": self.subscriber.shards, "shard": self.shard,
        }  # fmt: skip
        events = queries.fetch_events(statements.READ, params)
        reached = events[-1].position if len(events) == limit else upto
        self._reach.learn(after, reached, enough=len(events) == limit)
        return events, reached, parked

    def _move(self, position: int, reached: int, done: int, *, write: bool) -> None:
        """Write the cursor. When nothing came of it that can wait: a scan can be repeated."""
        if not write:
            self._seen = reached
        elif reached > position or done:
            sql.execute(statements.MOVE_CURSOR, [reached, done, *self._key])

    # --- Handling ----------------------------------------------------------------------------------------

    def _handle(
        self, events: Sequence[StoredEvent], parked: set[str], *, apart: bool = True
    ) -> list[tuple[StoredEvent, Exception | None]] | None:
        """Let the handler have a batch. Returns what failed, with None for what stands behind it in its stream.

        None in all: the batch failed, and shall be done again one by one.
        """
        if not events:
            return []
        if len(events) > 1 and not self._careful:
            if self._try(events) is None:
                return []
            self._careful = True
            return None
        self._careful, self._solo = False, max(0, self._solo - 1)
        attempt = self._try_apart if apart else self._try_alone
        failed: list[tuple[StoredEvent, Exception | None]] = []
        for event in events:
            if event.stream in parked:
                failed.append((event, None))
            elif (error := attempt(event)) is not None:
                failed.append((event, error))
                parked.add(event.stream)
        return failed

    def _try_apart(self, event: StoredEvent) -> Exception | None:
        """One event within a savepoint: what it did is undone when it fails."""
        with transaction.atomic():
            error = self._try([event])
            if error is not None:
                transaction.set_rollback(True)
        return error

    def _try_alone(self, event: StoredEvent) -> Exception | None:
        """One event whose effects are outside."""
        self._first = True
        return self._try([event])

    def _try(self, events: Sequence[StoredEvent]) -> Exception | None:
        """Call the handler, in time. Returns what went wrong. Raises when it is the database that is away."""
        single = events[0] if len(events) == 1 else None
        try:
            with self._watched(single if self._first else None), context.caused_by(single):
                self.subscriber.handle(events)
        except Exception as error:
            self._check()
            if _gone():
                raise
            error_class = faults.classify(error)
            metrics.failed.labels(self.subscriber.name, error_class).inc()
            self._outcomes.append(error if error_class == faults.DEPENDENCY else None)
            return error
        finally:
            self._first = False
        self._check()
        self._outcomes = self._outcomes or [None]
        return None

    @contextmanager
    def _watched(self, event: StoredEvent | None) -> Iterator[None]:
        self.work = Work(event, time.monotonic() + self.subscriber.timeout_s, sql.raw().info.backend_pid)
        try:
            with metrics.call_seconds.labels(self.subscriber.name).time():
                yield
        finally:
            self.work = None

    def _check(self) -> None:
        """Raises: Abandoned."""
        if self.abandoned:
            raise Abandoned(self.name)

    # --- Parked streams, and dead letters that are sent again --------------------------------------------

    def _resume(self) -> bool:
        """Work off a parked stream whose time has come, up to where the cursor is."""
        if self.failures.due() is None:
            return False
        if self.subscriber.outside:
            return self._resume_outside()
        with self._transaction() as position:
            parked = self.failures.due()
            if position is None or parked is None:
                return False
            reached = max(position, self._seen)
            most = 1 if self._solo else PARKED_AT_ONCE
            self._solo = max(0, self._solo - 1)
            done = self._work_off(parked, self._read_parked(parked, reached, most), most, self._try_apart)
            self._move(position, reached, done, write=True)
        metrics.handled.labels(self.subscriber.name).inc(done)
        return True

    def _resume_outside(self) -> bool:
        """The same, one event at a time, noted when it has been handled."""
        with self._transaction() as position:
            parked = self.failures.due()
            if position is None or parked is None:
                return False
            reached = max(position, self._seen)
            events = self._read_parked(parked, reached, 1)
        errors = {event.seq: self._try_alone(event) for event in events}
        with self._transaction() as before:
            if before != position:
                return False
            done = self._work_off(parked, events, 1, lambda event: errors[event.seq])
            self._move(position, reached, done, write=True)
        metrics.handled.labels(self.subscriber.name).inc(done)
        return True

    def _read_parked(self, parked: Parked, reached: int, most: int) -> list[StoredEvent]:
        params = [parked.stream, parked.seq, reached, self._regex, most]
        return queries.fetch_events(statements.READ_STREAM, params)

    def _work_off(self, parked: Parked, events: Sequence[StoredEvent], most: int, attempt: Try) -> int:
        """Handle a parked stream's events until one is held back; at its end it is parked no more. Returns how many."""
        done, stands = 0, parked
        for event in events:
            if (error := attempt(event)) is None:
                done, stands = done + 1, Parked(event.stream, event.seq + 1, event.position + 1)
                continue
            at = stands if stands.seq == event.seq else Parked.at(event, died=stands.died)
            if (behind := self.failures.failed(at, event, error)) is None:
                return done
            stands = behind
        if len(events) < most:
            self.failures.release(parked.stream)
        else:
            self.failures.hold(stands)
        return done

    def _send_again(self) -> bool:
        """Handle one dead letter anew: out of order, and marked so."""
        with transaction.atomic():
            self._first = True
            found = self.failures.sent_again()
            if found is None:
                return False
            letter_id, event = found
            self.failures.resolve(letter_id, self._try_apart(event))
        return True

    # --- Hanging -----------------------------------------------------------------------------------------

    def overdue(self) -> Work | None:
        """A call that takes longer than it may."""
        work = self.work
        return work if work is not None and time.monotonic() > work.until else None

    def abandon(self, work: Work) -> Shard:
        """Give this worker up, and make another one in its place. For the watch, on its own database session.

        A try that hung alone counts as failed. Else the next ones are made alone, so that it shows which one hangs.
        """
        self.abandoned = True
        sql.execute("SELECT pg_terminate_backend(%s)", [work.backend])
        logger.error("%s hung for %g s and is left alone", self.name, self.subscriber.timeout_s)
        metrics.failed.labels(self.subscriber.name, faults.TIMEOUT).inc()
        successor = Shard(self.subscriber, self.subscription_id, self.shard, solo=self.subscriber.batch)
        if work.event is not None:
            error = TimeoutError(f"it took longer than {self.subscriber.timeout_s:g} s")
            with transaction.atomic():
                successor.failures.timed_out(work.event, error)
                successor.failures.end()
        return successor


def _gone() -> bool:
    """Whether this thread's database session has ended."""
    return connection.connection is None or bool(connection.connection.closed)

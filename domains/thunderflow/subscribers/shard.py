"""One shard of one subscriber: read what is next, let the handler have it, move the cursor, all in one transaction.

An event that fails is tried again later and holds back only its own stream: the stream is parked at it, the cursor
goes on for all others, and when the stream's time comes it is worked off, in order, up to where the cursor is. What
keeps failing becomes a dead letter, and its stream goes on behind it.

Effects and burials never share a transaction: what a handler publishes and what is told of dead letters would take
the counters of streams in different orders.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.thunderflow import context, faults, metrics, queries
from domains.thunderflow.patterns import to_regex
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import statements
from domains.thunderflow.subscribers.calls import Calls, Lost, Work
from domains.thunderflow.subscribers.declared import Subscriber
from domains.thunderflow.subscribers.failures import HOPELESS, Failures, Parked

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a cursor is written that passed nothing of its own, and dead letters are looked for."""
PARKED_AT_ONCE = 200
"""Events of a parked stream that one transaction works off."""
TERMINATE_MS = 2000
"""How long to wait for the end of a session that hangs."""


class Shard:
    """Works at one shard. For one thread; `overdue` and `abandon` are for the one that looks after it."""

    def __init__(self, subscriber: Subscriber, subscription_id: UUID, shard: int, *, careful: bool = False) -> None:
        """`careful`: one of the next events hangs, and it is not known which."""
        self.subscriber, self.subscription_id, self.shard = subscriber, subscription_id, shard
        self.name = f"{subscriber.name}/{shard}"
        self.failures = Failures(subscriber, subscription_id, shard)
        self.calls = Calls(subscriber)
        self._key = (subscription_id, shard)
        self._regex = to_regex(subscriber.pattern)
        self._reach = queries.Reach(subscriber.batch)
        self._solo = subscriber.batch if careful else 0
        """So many events are handled in transactions of their own, since something about them failed."""
        self._solo_parked = PARKED_AT_ONCE if careful else 0
        """The same for events of parked streams."""
        self._parked = True
        """Streams of ours may be parked."""
        self._seen = (0, 0)
        """A cursor's position, and up to where there is nothing of ours behind it, which is not written yet."""
        self._looked = float("-inf")

    @property
    def abandoned(self) -> bool:
        """Whether another worker has this one's place."""
        return self.calls.abandoned

    def run(self) -> bool:
        """Do what is next. Returns whether there may be more to do at once."""
        if self.calls.resting():
            return False
        try:
            with context.acting(actor=f"subscriber:{self.subscriber.name}"):
                return self._run()
        except BaseException:
            self._seen = (0, 0)  # of what is not written nothing is certain, when the database has crashed
            raise
        finally:
            self.calls.tell_breaker()

    def _run(self) -> bool:
        if self.calls.lost is not None:
            self._note_lost(self.calls.lost)
        look = time.monotonic() - self._looked > LOOK_S
        more = look and self._send_again()
        if look and not more:
            self._looked = time.monotonic()
        if look or self._parked:
            more |= self._resume()
        return self._advance(write=look) or more

    # --- What is next ------------------------------------------------------------------------------------

    def _advance(self, *, write: bool) -> bool:
        """The next batch of those streams that are not parked."""
        if self.subscriber.outside:
            return self._advance_outside(write=write)
        with self._transaction() as position:
            if position is None:
                return False
            events, reached, parked = self._read(position)
            error = self.calls.within(events) if events else None
            if error is not None and len(events) > 1:
                self._solo = len(events)
                return True
            self._note(events, error)
            self._move(position, reached, len(events) if error is None else 0, write=write or bool(events or parked))
        return self._go_on(events, error, reached)

    def _advance_outside(self, *, write: bool) -> bool:
        """The same for effects that no transaction undoes: the cursor moves afterwards, if nobody else was there."""
        with self._transaction() as position:
            if position is None:
                return False
            events, reached, parked = self._read(position)
        error = self.calls.make(events) if events else None
        if error is not None and len(events) > 1:
            self._solo = len(events)
            return True
        with self._transaction() as before:
            if before != position or not parked <= self.failures.parked_streams():
                return False
            self._note(events, error)
            self._move(position, reached, len(events) if error is None else 0, write=write or bool(events or parked))
        return self._go_on(events, error, reached)

    def _note(self, events: Sequence[StoredEvent], error: BaseException | None) -> None:
        """What became of a batch, or of one event."""
        self._solo = max(0, self._solo - len(events))
        if error is not None:
            self.failures.failed(Parked.at(events[0]), events[0], error)
            self._parked = True

    def _go_on(self, events: Sequence[StoredEvent], error: BaseException | None, reached: int) -> bool:
        if events and error is None:
            metrics.handled.labels(self.subscriber.name).inc(len(events))
        return reached < queries.settled()

    @contextmanager
    def _transaction(self) -> Iterator[int | None]:
        """A transaction with the cursor locked. Yields its position; None when another has it, or when paused."""
        with transaction.atomic():
            self.failures.begin()
            rows = sql.fetch_rows(statements.LOCK_CURSOR, self._key)
            yield rows[0][0] if rows else None
            self.calls.check()
            self.failures.end()

    def _read(self, position: int) -> tuple[list[StoredEvent], int, set[str]]:
        """What comes next, up to where that looked, and streams that are parked."""
        parked = self.failures.parked_streams()
        self._parked = bool(parked)
        after = self._ahead(position)
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

    def _ahead(self, position: int) -> int:
        """Where to look from; what was seen holds only while the cursor is where it was then."""
        return max(position, self._seen[1]) if self._seen[0] == position else position

    def _move(self, position: int, reached: int, done: int, *, write: bool) -> None:
        """Write the cursor. When nothing came of it that can wait: a scan can be repeated."""
        if not write:
            self._seen = (position, reached)
        elif reached > position or done:
            sql.execute(statements.MOVE_CURSOR, [reached, done, *self._key])

    # --- Parked streams ----------------------------------------------------------------------------------

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
            reached, most = self._ahead(position), self._most(parked)
            events = self._read_parked(parked, reached, most)
            work_off = self._bury_hopeless if parked.died >= HOPELESS else self._work_off
            done = work_off(parked, events, most)
            self._move(position, reached, done, write=True)
        metrics.handled.labels(self.subscriber.name).inc(done)
        return True

    def _most(self, parked: Parked) -> int:
        """Events that one transaction takes of a parked stream: one, while something about them is wrong."""
        doubtful = self._solo_parked or parked.attempts or 0 < parked.died < HOPELESS
        return 1 if doubtful else min(PARKED_AT_ONCE, self.subscriber.batch)

    def _read_parked(self, parked: Parked, reached: int, most: int) -> list[StoredEvent]:
        params = [parked.stream, parked.seq, reached, self._regex, most]
        return queries.fetch_events(statements.READ_STREAM, params)

    def _work_off(self, parked: Parked, events: Sequence[StoredEvent], most: int) -> int:
        """Handle what a parked stream has next, all or nothing; at its end it is parked no more. Returns how many."""
        error = self.calls.within(events) if events else None
        return self._worked_off(parked, events, most, error)

    def _worked_off(self, parked: Parked, events: Sequence[StoredEvent], most: int, error: BaseException | None) -> int:
        self._solo_parked = max(0, self._solo_parked - len(events))
        if error is None:
            self._flow(parked, events, most)
            return len(events)
        if len(events) > 1:
            self._solo_parked = len(events)
        else:
            self.failures.failed(parked.standing_at(events[0]), events[0], error)
        return 0

    def _flow(self, parked: Parked, events: Sequence[StoredEvent], most: int) -> None:
        """These have been handled: the stream goes on behind them, or is parked no more."""
        if len(events) < most:
            self.failures.release(parked.stream)
        else:
            self.failures.hold(Parked.behind(events[-1]))

    def _bury_hopeless(self, parked: Parked, events: Sequence[StoredEvent], most: int) -> int:
        """One try for each event of a stream of which many have died, and a grave, until one succeeds."""
        stands, buried = parked, 0
        for event in events:
            error = self.calls.within([event], keep=not buried)
            if error is None:
                if buried:
                    self.failures.hold(Parked.at(event))  # undone, and done again by itself
                    return 0
                self._flow(parked, [event], 1)
                return 1
            behind = self.failures.failed(stands.standing_at(event), event, error)
            if behind is None:
                return 0
            stands, buried = behind, buried + 1
        if len(events) < most:
            self.failures.release(parked.stream)
        return 0

    def _resume_outside(self) -> bool:
        """One event, noted when it has been handled, if nobody else was there."""
        with self._transaction() as position:
            parked = self.failures.due()
            if position is None or parked is None:
                return False
            reached = self._ahead(position)
            events = self._read_parked(parked, reached, 1)
        error = self.calls.make(events) if events else None
        with self._transaction() as before:
            now = self.failures.parked(parked.stream)
            if before != position or now is None or (now.seq, now.attempts) != (parked.seq, parked.attempts):
                return False
            done = self._worked_off(parked, events, 1, error)
            self._move(position, reached, done, write=True)
        metrics.handled.labels(self.subscriber.name).inc(done)
        return True

    # --- Dead letters that are sent again ----------------------------------------------------------------

    def _send_again(self) -> bool:
        """Handle one dead letter anew: out of order, and marked so. Returns whether there was one."""
        if self.subscriber.outside:
            with transaction.atomic():
                found = self.failures.sent_again()
            if found is not None:
                error = self.calls.make([found[1]])
                with transaction.atomic():
                    self.failures.resolve(found[0], error)
            return found is not None
        with transaction.atomic():
            found = self.failures.sent_again()
            if found is not None:
                self.failures.resolve(found[0], self.calls.within([found[1]]))
            return found is not None

    # --- Calls that did not come back --------------------------------------------------------------------

    def _note_lost(self, lost: Lost) -> None:
        """The session ended during a call: an event that was alone has had a try, of several each goes alone now."""
        self.calls.lost = None
        if lost.event is None:
            self._solo, self._solo_parked = self.subscriber.batch, PARKED_AT_ONCE
        else:
            self._count_try(lost.event, lost.error)

    def _count_try(self, event: StoredEvent, error: BaseException) -> None:
        """Count a failed try of an event that was alone in its transaction, unless it has taken effect by now."""
        with self._transaction() as position:
            if position is not None:
                self.failures.interrupted(event, error, position)

    def overdue(self) -> Work | None:
        """A call that takes longer than it may."""
        work = self.calls.work
        return work if work is not None and time.monotonic() > work.until else None

    def abandon(self, work: Work) -> Shard:
        """Give this worker up, and make another one in its place. For the watch, on its own database session.

        A try that hung alone counts as failed. Of several each goes alone now, so that it shows which one hangs.
        """
        self.calls.abandoned = True
        logger.error("%s hung for %g s and is left alone", self.name, self.subscriber.timeout_s)
        metrics.failed.labels(self.subscriber.name, faults.TIMEOUT).inc()
        successor = Shard(self.subscriber, self.subscription_id, self.shard, careful=work.event is None)
        try:
            sql.fetch_rows("SELECT pg_terminate_backend(%s, %s::bigint)", [work.backend, TERMINATE_MS])
            if work.event is not None:
                error = TimeoutError(f"it took longer than {self.subscriber.timeout_s:g} s")
                successor._count_try(work.event, error)
        except faults.AWAY as error:
            logger.warning("%s hangs, and the database is away: %s", self.name, error)
        return successor

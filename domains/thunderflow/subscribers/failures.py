"""What one shard does about events that fail: hold their streams back, count tries, bury what will not work."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domains import sql
from domains.ids import new_id
from domains.thunderflow import faults, metrics
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thunderflow.events import STREAM, DeadLettered
from domains.thunderflow.payloads import today
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import statements
from domains.thunderflow.subscribers.declared import Subscriber

logger = logging.getLogger(__name__)

HOPELESS = 3
"""After so many deaths in a row the next event of a stream has a single try, until one succeeds."""
_NEW: dict[str, Any] = {
    "attempts": 0, "died": 0, "error_class": "", "error": "", "traceback": "", "first_failed_at": None, "delay_s": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parked:
    """A stream that is held back, from its event `seq` on, which has failed `attempts` times."""

    stream: str
    seq: int
    position: int
    attempts: int = 0
    died: int = 0
    first_failed_at: datetime | None = None
    now: datetime | None = None

    @classmethod
    def at(cls, event: StoredEvent, *, died: int = 0) -> Parked:
        """Held back from an event on that has not failed yet."""
        return cls(event.stream, event.seq, event.position, died=died)

    @classmethod
    def behind(cls, event: StoredEvent, *, died: int = 0) -> Parked:
        """Held back behind an event."""
        return cls(event.stream, event.seq + 1, event.position + 1, died=died)

    def standing_at(self, event: StoredEvent) -> Parked:
        """The same at the stream's next event, whose tries are counted if it is the one that failed."""
        return self if self.seq == event.seq else Parked.at(event, died=self.died)

    def failing_s(self) -> float:
        """Since the first failure."""
        return (self.now - self.first_failed_at).total_seconds() if self.now and self.first_failed_at else 0.0


class Failures:
    """Rows of parked streams and dead letters of one shard. Needs the transaction that holds the cursor's lock."""

    def __init__(self, subscriber: Subscriber, subscription_id: UUID, shard: int) -> None:
        self.subscriber, self.subscription_id = subscriber, subscription_id
        self._ids = {"subscription": subscription_id, "shard": shard}
        self._key = (subscription_id, shard)
        self._told: list[NewEvent] = []

    def begin(self) -> None:
        """A transaction begins."""
        self._told = []

    def end(self) -> None:
        """Tell what became of events, as late in the transaction as can be."""
        publish_many(self._told)

    def parked_streams(self) -> set[str]:
        """Names of streams that are held back."""
        return {row[0] for row in sql.fetch_rows(statements.PARKED, self._key)}

    def due(self) -> Parked | None:
        """A parked stream whose next try is due."""
        found = sql.fetch_rows(statements.DUE, self._key)
        return Parked(*found[0]) if found else None

    def failed(self, parked: Parked, event: StoredEvent, error: BaseException) -> Parked | None:
        """The event on which a stream stands, or shall stand, failed: hold it back, or bury the event.

        Returns where the stream goes on, at once, after a burial.
        """
        error_class, attempts = faults.classify(error), parked.attempts + 1
        row = _NEW | self._ids | _what(event) | _why(error)
        row |= {"attempts": attempts, "died": parked.died, "error_class": error_class}
        row["first_failed_at"] = parked.first_failed_at
        hopeless = parked.died >= HOPELESS and error_class != faults.DEPENDENCY
        if hopeless or self.subscriber.retry.gives_up(error_class, attempts, parked.failing_s()):
            self._bury(event, row)
            behind = Parked.behind(event, died=parked.died + 1)
            self.hold(behind)
            return behind
        sql.execute(statements.PARK, row | {"delay_s": self.subscriber.retry.delay_s(attempts)})
        return None

    def hold(self, parked: Parked) -> None:
        """Hold a stream back at an event that has not failed; it is due at once."""
        row = {"stream": parked.stream, "seq": parked.seq, "position": parked.position, "died": parked.died}
        sql.execute(statements.PARK, _NEW | self._ids | row)

    def release(self, stream: str) -> None:
        """A stream is held back no more."""
        sql.execute(statements.UNPARK, [self.subscription_id, stream])

    def parked(self, stream: str) -> Parked | None:
        """How a stream is held back, if it is."""
        found = sql.fetch_rows(statements.PARKED_STREAM, [self.subscription_id, stream])
        return Parked(*found[0]) if found else None

    def interrupted(self, event: StoredEvent, error: BaseException, position: int) -> None:
        """A call did not come back from an event that was the next one of the cursor, or of a parked stream.

        `position` is the cursor's. What has taken effect meanwhile is left as it is.
        """
        if event.redelivered:
            why = _why(error)
            params = [faults.classify(error), why["error"], why["traceback"], self.subscription_id, event.position]
            sql.execute(statements.INTERRUPTED_AGAIN, params)
            return
        known = self.parked(event.stream)
        if known is not None and known.seq <= event.seq:
            self.failed(known.standing_at(event), event, error)
        elif known is None and event.position > position:
            sql.execute(statements.MOVE_PAST, [event.position, *self._key])
            self.failed(Parked.at(event), event, error)

    def _bury(self, event: StoredEvent, row: dict[str, Any]) -> None:
        """Keep the event as a dead letter, and tell it."""
        sql.execute(statements.BURY, row | {"id": new_id(), "topic": event.topic, "event": sql.jsonb(_kept(event))})
        metrics.buried.labels(self.subscriber.name).inc()
        logger.error("%s gave up on %s %s: %s", self.subscriber.name, event.stream, event.seq, row["error"])
        if event.topic == DeadLettered.topic:
            return  # one who fails at these would tell for ever
        payload = DeadLettered(
            subscription=self.subscriber.name, event_id=event.id, event_topic=event.topic, event_stream=event.stream,
            event_seq=event.seq, event_position=event.position, attempts=row["attempts"],
            error_class=row["error_class"], error=row["error"][:500],
        )  # fmt: skip
        self._told.append(NewEvent(STREAM, DeadLettered.topic, payload, causation_id=event.id))

    # --- Dead letters that an operator sends again -------------------------------------------------------

    def sent_again(self) -> tuple[UUID, StoredEvent] | None:
        """A dead letter that shall be handled anew, locked."""
        found = sql.fetch_rows(statements.SENT_AGAIN, self._key)
        return (found[0][0], StoredEvent.of(found[0][1], redelivered=True)) if found else None

    def resolve(self, letter_id: UUID, error: BaseException | None) -> None:
        """Note how that went."""
        if error is None:
            sql.execute(statements.HANDLED, [letter_id])
            return
        why = _why(error)
        sql.execute(statements.FAILED_AGAIN, [faults.classify(error), why["error"], why["traceback"], letter_id])


def _what(event: StoredEvent) -> dict[str, Any]:
    return {"stream": event.stream, "seq": event.seq, "position": event.position}


def _kept(event: StoredEvent) -> dict[str, Any]:
    """As its handler had it: in today's shape, or as it was stored when that is what failed."""
    try:
        return today(event).plain()
    except Exception:  # an upcast is anybody's code
        return event.plain()


def _why(error: BaseException) -> dict[str, str]:
    lines = "".join(traceback.format_exception(error, limit=-8))
    return {"error": faults.told(error), "traceback": faults.storable(lines)}

"""Circuit breakers that all processes share: a row each, of a handler (`handler:<name>`) or of an outside service.

The states and their changes are pybreaker's; rows keep them, and each change is an event. Looking costs a query now
and then, since what a row says may be a quarter of a second old. Each failed trial doubles the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pybreaker
from django.db import transaction
from django.utils import timezone

from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.events import STREAM, BreakerChanged
from domains.thunderflow.faults import told
from domains.thunderflow.models import Breaker

FAILURES, REST_S, LONGEST_REST_S = 5, 5.0, 300.0
"""Failures in a row that open a breaker, how long it then rests before a single try, and at most after failed ones."""
FRESH_S = 0.25
CLOSED, OPEN = pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """A breaker as it stands."""

    state: str = CLOSED
    failures: int = 0
    """In a row."""
    rests_until: datetime | None = None
    """Nothing is tried before; None: at any time."""

    @property
    def sound(self) -> bool:
        """Whether nothing has failed of late."""
        return self.state == CLOSED and not self.failures


def states(names: Collection[str]) -> dict[str, State]:
    """What the breakers of these names say. One query."""
    rows = {row.name: row for row in Breaker.objects.filter(name__in=names)}
    return {name: _state(rows[name]) if name in rows else State() for name in names}


@dataclass(frozen=True, slots=True)
class Known:
    """A breaker that has had something to count, with what it says. `kind`: `handler`, `endpoint`, …"""

    name: str
    kind: str
    state: str
    failures: int
    rests_until: datetime | None
    opened_at: datetime | None
    last_error: str

    @property
    def sound(self) -> bool:
        """Whether nothing has failed of late."""
        return self.state == CLOSED and not self.failures


def known() -> list[Known]:
    """All that have a row, by name. One query."""
    return [
        Known(row.name, row.name.partition(":")[0], row.state, row.failures, _state(row).rests_until, row.opened_at,
              row.last_error)
        for row in Breaker.objects.all()
    ]  # fmt: skip


def reset(name: str, *, by: str) -> None:
    """Close a breaker and forget its failures, as an operator wishes."""
    with transaction.atomic():
        row = Breaker.objects.select_for_update().filter(pk=name).first()
        if row is None:
            return
        was, row.state, row.failures, row.successes = row.state, CLOSED, 0, 0
        row.save(update_fields=["state", "failures", "successes", "updated_at"])
        if was != CLOSED:
            payload = BreakerChanged(breaker=name, state=CLOSED, was=was, error="")
            publish(NewEvent(STREAM, BreakerChanged.topic, payload, actor=by))


def _state(row: Breaker) -> State:
    if row.state != OPEN or row.opened_at is None:
        return State(row.state, row.failures)
    return State(row.state, row.failures, row.opened_at + timedelta(seconds=_rest_s(row)))


def _rest_s(row: Breaker) -> float:
    return min(LONGEST_REST_S, REST_S * 2.0 ** max(0, min(row.failures - FAILURES, 10)))


Open = pybreaker.CircuitBreakerError
"""Raised by `Guard.call` while the breaker rests."""


class _Rows(pybreaker.CircuitBreakerStorage):
    """pybreaker's storage in a row, read anew when it is older than `FRESH_S`. A missing row is a closed breaker."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.last_error = ""
        self._row = Breaker(name=name)
        self._read_at = float("-inf")

    def row(self) -> Breaker:
        """The row as it was a moment ago."""
        if time.monotonic() - self._read_at > FRESH_S:
            self._row = Breaker.objects.filter(pk=self.name).first() or Breaker(name=self.name)
            self._read_at = time.monotonic()
        return self._row

    def _write(self, **values: Any) -> None:
        row = self.row()
        if all(getattr(row, name) == value for name, value in values.items()):
            return
        for name, value in values.items():
            setattr(row, name, value)
        Breaker.objects.update_or_create(name=self.name, defaults=values)

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        return self.row().state

    @state.setter
    def state(self, state: str) -> None:
        was = self.row().state
        if was == state:
            return
        with transaction.atomic():
            self._write(state=state, last_error=self.last_error)
            payload = BreakerChanged(breaker=self.name, state=state, was=was, error=self.last_error)
            publish(NewEvent(STREAM, BreakerChanged.topic, payload))

    @property
    def counter(self) -> int:
        """Failures in a row."""
        return self.row().failures

    def increment_counter(self) -> None:
        """One more."""
        self._write(failures=self.row().failures + 1, last_error=self.last_error)

    def reset_counter(self) -> None:
        """None any more."""
        self._write(failures=0)

    @property
    def success_counter(self) -> int:
        """Successes in a row, while half open."""
        return self.row().successes

    def increment_success_counter(self) -> None:
        """One more."""
        self._write(successes=self.row().successes + 1)

    def reset_success_counter(self) -> None:
        """None any more."""
        self._write(successes=0)

    @property
    def opened_at(self) -> datetime | None:
        """When it was opened last."""
        return self.row().opened_at

    @opened_at.setter
    def opened_at(self, at: datetime) -> None:
        self._write(opened_at=at)


class Guard:
    """One process's use of a breaker. For one thread, and outside of transactions, which might be undone."""

    def __init__(self, name: str) -> None:
        self._rows = _Rows(name)

    def resting(self) -> bool:
        """Whether nothing shall be tried now."""
        until = _state(self._rows.row()).rests_until
        return until is not None and timezone.now() < until

    def note(self, error: BaseException | None) -> None:
        """Count a try that was made: how it failed, or None."""
        if error is None and self._rows.state == pybreaker.STATE_CLOSED and not self._rows.counter:
            return  # as nearly always
        try:
            self.call(_outcome, error)
        except BaseException as same:
            if same is not error and not isinstance(same, Open):
                raise

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call it unless the breaker rests. Raises: Open, and what the function raises."""
        # A new one each time: one that notices what another process has changed sets the shared count back to 0.
        breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES, reset_timeout=_rest_s(self._rows.row()), state_storage=self._rows,
            name=self._rows.name, throw_new_error_on_trip=False,
        )  # fmt: skip
        try:
            return breaker.call(_telling, self._rows, function, args)
        finally:
            self._rows.last_error = ""


def _telling(rows: _Rows, function: Callable[..., T], args: tuple[Any, ...]) -> T:
    try:
        return function(*args)
    except BaseException as error:
        rows.last_error = told(error)[:500]
        raise


def _outcome(error: BaseException | None) -> None:
    if error is not None:
        raise error

"""Circuit breakers that all processes share: a row each, of a handler (`handler:<name>`) or of an outside service.

The states and their changes are pybreaker's; rows keep them, and each change is an event. Looking costs a query now
and then, since what a row says may be a quarter of a second old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pybreaker
from django.db import transaction
from django.utils import timezone

from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.events import STREAM, BreakerChanged
from domains.thunderflow.faults import told
from domains.thunderflow.models import Breaker

FAILURES, REST_S = 5, 15.0
"""Failures in a row that open a breaker, and how long it then rests before a single try."""
FRESH_S = 0.25

T = TypeVar("T")
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

    def __init__(self, name: str, *, failures: int = FAILURES, rest_s: float = REST_S) -> None:
        self._rows = _Rows(name)
        self.breaker = pybreaker.CircuitBreaker(
            fail_max=failures, reset_timeout=rest_s, state_storage=self._rows, name=name, throw_new_error_on_trip=False
        )

    def resting(self) -> bool:
        """Whether nothing shall be tried now."""
        if self._rows.state != pybreaker.STATE_OPEN:
            return False
        opened = self._rows.opened_at
        return opened is not None and (timezone.now() - opened).total_seconds() < self.breaker.reset_timeout

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
        try:
            return self.breaker.call(_telling, self._rows, function, args)
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

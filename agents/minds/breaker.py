"""A circuit breaker: after some failures in a row an endpoint is left alone for a while, then tried by one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FAILURES = 5
"""In a row that open it."""
REST_S, LONGEST_REST_S = 5.0, 300.0
"""The first rest, which doubles with each failed trial, and the longest."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one endpoint. Instants are aware UTC, of the database's clock."""

    failures: int = 0
    open_until: datetime | None = None

    def closed(self, now: datetime) -> bool:
        """Whether calls may be made freely."""
        return self.failures < FAILURES and not self.resting(now)

    def resting(self, now: datetime) -> bool:
        """Whether no call may be made. Neither closed nor resting is half open: one call may be tried."""
        return self.open_until is not None and now < self.open_until

    def succeeded(self) -> Breaker:
        """After an answer, whatever it said. A rest that the endpoint asked for stays: others may ask it for one."""
        return Breaker(open_until=self.open_until if self.failures < FAILURES else None)

    def failed(self, now: datetime, *, rest_s: float = 0.0) -> Breaker:
        """After a call that failed by the endpoint's doing; `rest_s` is what it asked for itself.

        Calls that were under way when it opened fail too, and say nothing new: one hiccup is no failed trial.
        """
        if self.failures >= FAILURES and self.resting(now):
            return self._rest(now, rest_s)
        failures = min(self.failures + 1, 1000)
        own = min(LONGEST_REST_S, REST_S * 2 ** min(failures - FAILURES, 10)) if failures >= FAILURES else 0.0
        return replace(self, failures=failures)._rest(now, max(own, rest_s))

    def asked_to_wait(self, now: datetime, rest_s: float) -> Breaker:
        """After a call that came too soon: nothing is broken, but the endpoint is left alone as it asked."""
        return self._rest(now, rest_s)

    def _rest(self, now: datetime, rest_s: float) -> Breaker:
        if rest_s <= 0:
            return self
        until = now + timedelta(seconds=rest_s)
        return replace(self, open_until=max(until, self.open_until) if self.open_until else until)

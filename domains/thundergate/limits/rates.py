"""What is allowed, and the arithmetic of it: GCRA, the generic cell rate algorithm. Pure.

Each identity has one number, the instant at which it would be back at rest (`rest_at`). Asking moves it on by the
interval between two requests; it may lie at most one burst ahead. So a whole burst may come at once, no more than that
within any burst's time, and afterwards one each interval: no window begins anew for all at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.conf import settings

MINUTE_S, SECOND_S = 60.0, 1.0
SLACK_S = 1e-3
"""Of rounding: intervals are seldom whole microseconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`most` in `period_s` seconds, of which `burst` may come at once: all of them, where it is not said.

    0: no limit.
    """

    kind: str
    most: float
    period_s: float = MINUTE_S
    burst: float | None = None

    @property
    def interval_s(self) -> float:
        """Between two requests, once the burst is used up."""
        return self.period_s / self.most

    @property
    def ahead_s(self) -> float:
        """How far `rest_at` may lie ahead."""
        return self.period_s if self.burst is None else self.burst * self.interval_s

    @property
    def slack_s(self) -> float:
        """What is forgiven; less than one request."""
        return min(SLACK_S, self.interval_s / 2)

    def __str__(self) -> str:
        return f"{self.most:g} {'a minute' if self.period_s == MINUTE_S else 'a second'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on. `reset_s`: until all may come again; `retry_after_s`: until this one may."""

    allowed: bool
    rate: Rate
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0

    def headers(self) -> dict[str, str]:
        """For the answer, whole seconds rounded up. None where there is no limit."""
        if not self.rate.most:
            return {}
        found = {
            "RateLimit-Policy": f"{self.rate.most:g};w={self.rate.period_s:.0f}",
            "RateLimit-Limit": f"{self.rate.most:g}",
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_s)),
        }
        return found if self.allowed else {**found, "Retry-After": str(max(1, math.ceil(self.retry_after_s)))}

    @property
    def sentence(self) -> str:
        """For who is refused."""
        wait = max(1, math.ceil(self.retry_after_s))
        return f"too many requests: {self.rate} are allowed here; try again in {wait} s"


PERIODS = {
    "default": MINUTE_S, "heavy": MINUTE_S, "refused": MINUTE_S, "message": SECOND_S, "push": SECOND_S,
    "broadcast": SECOND_S,
}  # fmt: skip
"""Classes, and in which time they are counted. `heavy` is what takes a model, a search over everything or much of the
database; `refused` are credentials that are not good; `message` is what one socket sends, `push` what an agent's
clients do in zones, `broadcast` what a zone hears.
"""


def rate(kind: str) -> Rate:
    """The rate of a class by the settings (`LIMITS`); none is limited while limits are off. Raises: KeyError."""
    period_s = PERIODS[kind]
    if not settings.LIMITS["on"]:
        return Rate(kind, 0, period_s)
    return Rate(kind, settings.LIMITS[kind], period_s, settings.LIMITS.get(f"{kind}_burst"))


def own_rate(kind: str, most: int) -> Rate:
    """So many a minute, for what is no class; as classes, it does not count while limits are off."""
    return Rate(kind, most if settings.LIMITS["on"] else 0)


def unlimited(of: Rate) -> Verdict:
    """What needs no count."""
    return Verdict(True, of, 0, 0.0)


def weigh(rest_at: float, now: float, of: Rate, cost: int = 1) -> tuple[float, Verdict]:
    """Ask for `cost` requests at once. Returns the new `rest_at` (the old one when refused) and the verdict.

    The same as the script in `store`, which a test compares. A cost above what may ever come at once is never allowed.
    """
    start = min(max(rest_at, now), now + of.ahead_s)
    after = start + cost * of.interval_s
    if after - now > of.ahead_s + of.slack_s:
        return rest_at, decided(False, start - now, of, cost)
    return after, decided(True, after - now, of, cost)


def decided(allowed: bool, ahead_s: float, of: Rate, cost: int) -> Verdict:
    """The verdict when `rest_at` is so far ahead, this request's cost included if it was allowed."""
    left = max(0, math.floor((of.ahead_s - ahead_s + of.slack_s) / of.interval_s))
    late = 0.0 if allowed else ahead_s + cost * of.interval_s - of.ahead_s
    return Verdict(allowed, of, left, ahead_s, late)

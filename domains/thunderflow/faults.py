"""What went wrong, as a class that says what to do about it; and how long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass

import psycopg
import redis
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from pydantic import ValidationError

from domains.thunderflow.payloads import UnknownVersion

VALIDATION, TRANSIENT, TIMEOUT = "validation", "transient", "timeout"
DEPENDENCY, PERMANENT, SECURITY = "dependency", "permanent", "security"
CLASSES = (VALIDATION, TRANSIENT, TIMEOUT, DEPENDENCY, PERMANENT, SECURITY)

RETRIED = frozenset({TRANSIENT, TIMEOUT, DEPENDENCY})
"""Classes of errors after which another try may go better."""

AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""Raised when the database is away or undid a transaction; raw statements raise psycopg's own."""

# Retries of what the database undid for others' sake: serialization failure, deadlock, lock not available.
_UNDONE = (psycopg.errors.TransactionRollback, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
# What constraints and types refuse, they refuse again.
_REFUSED = (psycopg.IntegrityError, psycopg.DataError)


class Failed(Exception):
    """Raised by a handler that knows better than `classify` what its error means."""

    def __init__(self, error_class: str, message: str) -> None:
        if error_class not in CLASSES:
            raise ValueError(f"{error_class!r} is no class of errors: {', '.join(CLASSES)}")
        super().__init__(message)
        self.error_class = error_class


TOLD = 2000
"""Characters of an error that are kept."""


def storable(text: str) -> str:
    """What PostgreSQL can keep, cut to length."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()[:TOLD]


def told(error: BaseException) -> str:
    """An error in a line that can be stored, even one that cannot say what it is."""
    try:
        return storable(f"{type(error).__name__}: {error}")
    except Exception:
        return storable(type(error).__name__)


def classify(error: BaseException) -> str:
    """The class of an error. What nobody knows may be better the next time, and becomes a dead letter if not."""
    if isinstance(error, Failed):
        return error.error_class
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, ValidationError | DjangoValidationError):
        return VALIDATION
    if isinstance(error, PermissionDenied | PermissionError):
        return SECURITY
    if isinstance(error, _UNDONE) or isinstance(error.__cause__, _UNDONE):
        return TRANSIENT
    if isinstance(error, redis.RedisError | ConnectionError | UnknownVersion):  # of newer code, which may come
        return DEPENDENCY
    if isinstance(error, _REFUSED) or isinstance(error.__cause__, _REFUSED):
        return PERMANENT
    return TRANSIENT


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter: `base_s`, twice as long each time, at most `cap_s`, up to a half more."""

    attempts: int = 6
    """Tries in all, for transient errors and timeouts."""
    base_s: float = 0.5
    cap_s: float = 60.0
    patience_s: float = 86_400.0
    """How long what depends on something that is away is tried again."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base_s <= 0 or self.cap_s < self.base_s:
            raise ValueError(f"{self} makes no sense: attempts >= 1, 0 < base_s <= cap_s")

    def delay_s(self, attempts: int, chance: random.Random | None = None) -> float:
        """Seconds from failure number `attempts`, from 1, to the next try."""
        spread = (chance or random).uniform(1.0, 1.5)
        return min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, 60)) * spread

    def gives_up(self, error_class: str, attempts: int, failing_s: float) -> bool:
        """Whether there shall be no further try after so many that failed, the first one so long ago."""
        if error_class not in RETRIED:
            return True
        if error_class == DEPENDENCY:
            return failing_s >= self.patience_s
        return attempts >= self.attempts

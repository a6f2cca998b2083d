"""What code declares: subscribers, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from domains.thunderflow.faults import RetryPolicy
from domains.thunderflow.patterns import to_regex
from domains.thunderflow.queries import StoredEvent

Handler = Callable[[Sequence[StoredEvent]], object]
LONGEST_S = 50.0
"""The application's sessions may be idle in a transaction for a minute."""
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One declared subscriber."""

    name: str
    pattern: str
    handle: Handler = field(repr=False)
    batch: int = 200
    """Most events of one call, and of one transaction."""
    shards: int = 1
    """Into how many parts streams are dealt, each handled by one process at a time."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    start: Literal["now", "beginning"] = "now"
    """Where it begins when it is first declared."""
    timeout_s: float = 30.0
    """How long one call may take; after that it is undone and counts as failed."""
    outside: bool = False
    """Whether its effects are outside the database: then it is called in no transaction, and at least once."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a subscriber: lower-case letters, digits and . _ -")
        if not (1 <= self.batch <= 10_000 and 1 <= self.shards <= 64 and self.timeout_s > 0):
            raise ValueError(f"{self.name}: a batch is 1 to 10,000 events, shards are 1 to 64, a timeout is above 0")
        if not self.outside and self.timeout_s > LONGEST_S:
            raise ValueError(f"{self.name}: a transaction is open for {LONGEST_S:g} s at most; use outside=True")
        to_regex(self.pattern)


_declared: dict[str, Subscriber] = {}


def subscriber(
    *, name: str, pattern: str, batch: int = 200, shards: int = 1, retry: RetryPolicy | None = None,
    start: Literal["now", "beginning"] = "now", timeout_s: float = 30.0, outside: bool = False,
) -> Callable[[Handler], Handler]:  # fmt: skip
    """Declare the decorated function as a subscriber. Raises: ValueError when the name is taken or a value wrong."""

    def declare(handle: Handler) -> Handler:
        register(Subscriber(name, pattern, handle, batch, shards, retry or RetryPolicy(), start, timeout_s, outside))
        return handle

    return declare


def register(new: Subscriber) -> None:
    """Add a subscriber. Raises: ValueError when another one has its name."""
    if _declared.setdefault(new.name, new) is not new:
        raise ValueError(f"a subscriber called {new.name!r} is declared already")


def get(name: str) -> Subscriber:
    """Raises: KeyError."""
    return _declared[name]


def all_subscribers() -> list[Subscriber]:
    """Declared subscribers, by name."""
    return [s for _, s in sorted(_declared.items())]

"""The contract of what grows for ever: stores that say how large they are, and let go of their oldest part.

A store registers itself when its app is ready. Policies, and the hand that carries them out, are in `thunderblock`.
Nothing here reads a clock or a table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

AGE, SIZE = "age", "size"


class Busy(Exception):
    """A lock did not come in time. Nothing is lost; it is tried again later."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who still needs a piece. `behind` counts what it has not read yet."""

    name: str
    behind: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that goes as a whole. `rows` is an estimate; `newest_at` is None when it is empty or not known."""

    name: str
    rows: int
    bytes: int
    newest_at: datetime | None
    reason: str = ""
    """`age` or `size`, for a piece that should go."""
    held_by: tuple[Holder, ...] = ()
    """Those for whose sake it stays all the same."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What went. `rows` is an estimate for whole partitions."""

    name: str
    rows: int
    bytes: int
    reason: str


Tell = Callable[[Gone], None]
"""Called in the transaction in which something goes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept. None: for ever, without a ceiling."""

    keep_days: int | None
    max_bytes: int | None

    def before(self, now: datetime) -> datetime | None:
        """What is older than this goes."""
        return None if self.keep_days is None else now - timedelta(days=self.keep_days)


class Store(ABC):
    """Something that grows. Queries here are plain reads; only `let_go` and `finish` change anything."""

    name: ClassVar[str]
    usual: ClassVar[Limits]
    """What its policy begins with."""

    @abstractmethod
    def size_bytes(self) -> int:
        """On disk, with indexes."""

    @abstractmethod
    def oldest_at(self) -> datetime | None:
        """Age of the oldest content; None when there is none."""

    @abstractmethod
    def due(self, limits: Limits, now: datetime) -> list[Piece]:
        """What should go, oldest first, with why, and who holds it up."""

    @abstractmethod
    def let_go(self, piece: Piece, tell: Tell) -> None:
        """Let one piece go that nobody holds. Needs to be outside a transaction. Raises: Busy."""

    def finish(self, tell: Tell) -> None:
        """Complete what a process that died had begun. Needs to be outside a transaction. Raises: Busy."""
        return


_stores: dict[str, Store] = {}


def register(store: Store) -> None:
    """Make a store known, once a process; the same name again replaces it."""
    _stores[store.name] = store


def stores() -> dict[str, Store]:
    """Every store by name."""
    return dict(sorted(_stores.items()))


def overdue(pieces: Iterable[Piece], *, before: datetime | None, max_bytes: int | None, size: int) -> list[Piece]:
    """Those of pieces, oldest first, that should go: too old, or while all of it together is above the ceiling.

    The first that may stay keeps all after it, so that no hole comes about.
    """
    chosen = []
    for piece in pieces:
        if before is not None and (piece.newest_at is None or piece.newest_at <= before):
            reason = AGE
        elif max_bytes is not None and size > max_bytes:
            reason = SIZE
        else:
            break
        chosen.append(replace(piece, reason=reason))
        size -= piece.bytes
    return chosen

"""What a holding is, whom a redaction is about, and the registry of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from domains.redaction.words import Words

AGENT, PERSON = "agent", "person"


class Stage(IntEnum):
    """In which order holdings are gone through: what new content is made from comes before what is made from it."""

    SOURCE = 1  # what agents think with, and what people are known by
    LOG = 2  # what was told of it
    COPY = 3  # what was copied from the log


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is to be forgotten. An agent's names count in its own world only, as another world may have its like."""

    kind: str
    """`agent` or `person`."""
    words: Words
    agent_id: UUID | None = None
    user_id: UUID | None = None
    world_id: UUID | None = None
    streams: tuple[str, ...] = ()
    """Of the agent's world."""
    labels: tuple[str, ...] = ()
    """How it is called where somebody acts or speaks: `user:ann`, `agent:Mara`."""

    @property
    def params(self) -> dict[str, Any]:
        """For the conditions of tables."""
        return {
            "kind": self.kind, "agent": self.agent_id, "user": self.user_id, "world": self.world_id,
            "streams": list(self.streams), "labels": list(self.labels),
        }  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As JSON, for who goes on with it later."""
        return {
            "kind": self.kind, "names": list(self.words.names), "agent_id": self.agent_id, "user_id": self.user_id,
            "world_id": self.world_id, "streams": list(self.streams), "labels": list(self.labels),
        }  # fmt: skip

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Subject:
        """The subject that `plain` was made of."""
        ids = {name: UUID(plain[name]) if plain[name] else None for name in ("agent_id", "user_id", "world_id")}
        return cls(
            plain["kind"], Words(plain["names"]), streams=tuple(plain["streams"]), labels=tuple(plain["labels"]), **ids
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """A row of a log that is another one now: keyed digests are made of these by who keeps the record."""

    log: str
    key: str
    was: bytes
    now: bytes


Note = Callable[[Sequence[Noted]], None]
"""Called in the transaction in which rows of a log change."""


@dataclass(slots=True)
class Step:
    """What one small transaction did. `after` is where the next one goes on; None when this was the last."""

    after: dict[str, Any] | None = None
    seen: int = 0
    changed: int = 0
    removed: int = 0


class Holding(ABC):
    """A table or another place that may hold somebody's content."""

    name: str
    stage: Stage = Stage.SOURCE
    order: int = 0
    """Within the stage."""
    claims: Mapping[str, frozenset[str]] = MappingProxyType({})
    """Columns that are in its care, by table."""

    @abstractmethod
    def step(self, subject: Subject, after: dict[str, Any] | None, note: Note, *, dry: bool = False) -> Step:
        """Go through the next rows and let go of what is about the subject. `dry`: only count.

        Runs in a transaction of the caller's, which is short; must be safe to be done again from the beginning.
        """

    @abstractmethod
    def rows(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """Everything about the subject as plain data, without secrets. Writes nothing."""

    def begin(self) -> None:
        """Called outside a transaction before each round, perhaps more than once."""
        return

    def digests(self, keys: Sequence[str]) -> dict[str, bytes] | None:
        """Digests of rows by the keys that were noted, of those that are there; None for what is no log."""
        return None

    def left(self, subject: Subject, since: datetime) -> str:
        """A sentence when something that began before `since` may still bring content back, else empty.

        It is waited for, and all is gone through once more.
        """
        return ""

    def prepare(self, subject: Subject, by: str) -> None:
        """Stop what makes new content about the subject: called once before the first pass, may be called again."""
        return


@dataclass(slots=True)
class _Registry:
    holdings: dict[str, Holding] = field(default_factory=dict)
    harmless: dict[str, set[str]] = field(default_factory=dict)


_registry = _Registry()


def register(*made: Holding) -> None:
    """Make holdings known, once a process; the same name again replaces one."""
    for holding in made:
        _registry.holdings[holding.name] = holding


def harmless(table: str, *columns: str) -> None:
    """Declare that columns of text hold nothing about anybody: states, kinds, names of code and the like."""
    _registry.harmless.setdefault(table, set()).update(columns)


def holdings() -> list[Holding]:
    """Every holding in the order in which it is gone through: by stage, order and name."""
    return sorted(_registry.holdings.values(), key=lambda one: (one.stage, one.order, one.name))


def claimed() -> dict[str, set[str]]:
    """Columns, by table, that are in some holding's care or declared as harmless."""
    found: dict[str, set[str]] = {table: set(columns) for table, columns in _registry.harmless.items()}
    for holding in _registry.holdings.values():
        for table, columns in holding.claims.items():
            found.setdefault(table, set()).update(columns)
    return found

"""Who acts, and what for: carried along by context so that every event knows its correlation, cause and actor."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol
from uuid import UUID

from domains import origin as origins
from domains.ids import new_id
from domains.origin import Origin


@dataclass(frozen=True, slots=True)
class Context:
    """`correlation_id` joins all that one request or heartbeat set off; `causation_id` is the event it answers."""

    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    actor: str = "system"
    origin: Origin | None = None
    """The door that it came through; None for what the system does by itself."""


_NOBODY = Context()
_context: ContextVar[Context] = ContextVar("thunderflow_context", default=_NOBODY)


def current() -> Context:
    """The context of this task, thread or request."""
    return _context.get()


@contextmanager
def acting(
    *,
    actor: str | None = None,
    correlation_id: UUID | None = None,
    causation_id: UUID | None = None,
    origin: Origin | None = None,
) -> Iterator[Context]:
    """Run a block as somebody and for some cause; what is left out is inherited, a missing correlation made.

    Doors say where it comes from (`origin`), and what is written within is marked so for the audit trail.
    """
    outer = _context.get()
    inner = replace(
        outer,
        actor=actor or outer.actor,
        correlation_id=correlation_id or outer.correlation_id or new_id(),
        causation_id=causation_id or outer.causation_id,
        origin=origin or outer.origin,
    )
    token = _context.set(inner)
    try:
        if inner.origin is None:
            yield inner
        else:
            with origins.marking(origins.mark(inner.origin, actor=inner.actor, correlation_id=inner.correlation_id)):
                yield inner
    finally:
        _context.reset(token)


@contextmanager
def afresh() -> Iterator[None]:
    """Run a block as nobody and for no cause: what it sends off begins a correlation of its own."""
    token = _context.set(_NOBODY)
    try:
        with origins.marking(""):
            yield
    finally:
        _context.reset(token)


@contextmanager
def caused_by(event: Event | None) -> Iterator[Context]:
    """Run a block for an event: what it publishes names the event as its cause. With none, as things are."""
    if event is None:
        yield current()
        return
    with acting(correlation_id=event.correlation_id, causation_id=event.id) as inner:
        yield inner


class Event(Protocol):
    """What has happened, as far as its consequences name it."""

    @property
    def id(self) -> UUID: ...

    @property
    def correlation_id(self) -> UUID | None: ...


@cache
def node() -> str:
    """Name of this machine in events."""
    return socket.gethostname()

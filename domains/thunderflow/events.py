"""What followers of the log tell of themselves."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload

STREAM = "system"


class DeadLettered(Payload):
    """A subscriber gave up on an event, which waits for an operator now."""

    topic: ClassVar[str] = "system.dead_letter"
    subscription: str
    event_id: UUID
    event_topic: str
    event_stream: str
    event_seq: int
    event_position: int
    attempts: int
    error_class: str
    error: str


class DeadLettersPileUp(Payload):
    """More dead letters of one subscriber wait than should."""

    topic: ClassVar[str] = "system.dead_letters_pile_up"
    subscription: str
    waiting: int
    threshold: int


class DeadLettersResolved(Payload):
    """An operator sent dead letters again, or let them go."""

    topic: ClassVar[str] = "system.dead_letters_resolved"
    what: str
    count: int
    subscriptions: list[str]


class SubscriptionChanged(Payload):
    """An operator paused, resumed or rewound a subscription, or code declared it, or none does any more."""

    topic: ClassVar[str] = "system.subscription_changed"
    subscription: str
    what: str
    position: int | None = None


class BreakerChanged(Payload):
    """A circuit breaker opened, tries again, or closed."""

    topic: ClassVar[str] = "system.breaker_changed"
    breaker: str
    state: str
    was: str
    error: str

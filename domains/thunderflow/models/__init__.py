"""Rows of the event log, of those who follow it, and of what they could not handle."""

from domains.thunderflow.models.blackboard import Entry, Namespace
from domains.thunderflow.models.log import Event, Stream
from domains.thunderflow.models.seals import RedactedRow, Seal
from domains.thunderflow.models.subscriptions import (
    Breaker,
    Cursor,
    DeadLetter,
    Follower,
    Lease,
    ParkedStream,
    Subscription,
)

__all__ = [
    "Breaker",
    "Cursor",
    "DeadLetter",
    "Entry",
    "Event",
    "Follower",
    "Lease",
    "Namespace",
    "ParkedStream",
    "RedactedRow",
    "Seal",
    "Stream",
    "Subscription",
]

"""The log, those who follow it, and the blackboard in the admin."""

from domains.thunderflow.admin.blackboard import EntryAdmin, NamespaceAdmin
from domains.thunderflow.admin.log import EventAdmin, StreamAdmin
from domains.thunderflow.admin.subscriptions import (
    BreakerAdmin,
    CursorAdmin,
    DeadLetterAdmin,
    FollowerAdmin,
    LeaseAdmin,
    ParkedStreamAdmin,
    SubscriptionAdmin,
)

__all__ = [
    "BreakerAdmin",
    "CursorAdmin",
    "DeadLetterAdmin",
    "EntryAdmin",
    "EventAdmin",
    "FollowerAdmin",
    "LeaseAdmin",
    "NamespaceAdmin",
    "ParkedStreamAdmin",
    "StreamAdmin",
    "SubscriptionAdmin",
]

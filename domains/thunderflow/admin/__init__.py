"""The log, those who follow it, and the blackboard in the admin."""

from domains.thunderflow.admin.blackboard import EntryAdmin, NamespaceAdmin
from domains.thunderflow.admin.log import EventAdmin, StreamAdmin
from domains.thunderflow.admin.subscriptions import (
    BreakerAdmin,
    DeadLetterAdmin,
    FollowerAdmin,
    ParkedStreamAdmin,
    SubscriptionAdmin,
)

__all__ = [
    "BreakerAdmin",
    "DeadLetterAdmin",
    "EntryAdmin",
    "EventAdmin",
    "FollowerAdmin",
    "NamespaceAdmin",
    "ParkedStreamAdmin",
    "StreamAdmin",
    "SubscriptionAdmin",
]

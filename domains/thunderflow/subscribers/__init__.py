"""Following the log: durable subscribers that handle each event once, in the order of its stream.

    @subscriber(name="greeter", pattern="zone.*.agent_entered", batch=100)
    def greet(events: Sequence[StoredEvent]) -> None: ...

The function runs in `manage.py follow`, within a transaction that also moves the subscriber's cursor: what it writes
to the database takes effect exactly once. With `outside=True` it runs in none, for effects elsewhere, and may see an
event again after a crash: `event.id` is the key by which to know it. An app declares its subscribers in its
`subscribers.py`, a plug-in anywhere.
"""

from domains.thunderflow.faults import Failed, RetryPolicy
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers.declared import Subscriber, all_subscribers, get, subscriber

__all__ = ["Failed", "RetryPolicy", "StoredEvent", "Subscriber", "all_subscribers", "get", "subscriber"]

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from domains.thunderflow import queries
from domains.thunderflow.models import DeadLetter, Subscription


def make_letter(name: str = "chronicle", **fields: Any) -> DeadLetter:
    """A dead letter of the newest event of the log, for the subscriber of this name."""
    now = timezone.now()
    (event,) = queries.latest(limit=1)
    subscription, _ = Subscription.objects.get_or_create(name=name, defaults={"pattern": "**", "shards": 1})
    usual: dict[str, Any] = {
        "shard": 0, "stream": event.stream, "seq": event.seq, "position": event.position, "topic": event.topic,
        "event": event.plain(), "attempts": 6, "error_class": "transient", "error": "TimeoutError: no answer",
        "traceback": "Traceback (most recent call last):\n  …\nTimeoutError: no answer",
        "first_failed_at": now - timedelta(minutes=2), "failed_at": now,
    }  # fmt: skip
    return DeadLetter.objects.create(subscription=subscription, **{**usual, **fields})

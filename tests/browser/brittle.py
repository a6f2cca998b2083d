"""A subscriber that fails at first sight of every event and takes it when it is asked again: a plug-in."""

from __future__ import annotations

from collections.abc import Sequence

from domains.thunderflow.subscribers import RetryPolicy, StoredEvent, subscriber


@subscriber(name="brittle", pattern="zone.*.agent_left", retry=RetryPolicy(attempts=1))
def brittle(events: Sequence[StoredEvent]) -> None:
    """Takes only what somebody has had another look at."""
    if not all(event.redelivered for event in events):
        raise ValueError("not at first sight")

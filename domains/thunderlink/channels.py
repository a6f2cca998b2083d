"""What the socket shows of the system: heartbeats, and domains that begin and end."""

from __future__ import annotations

from collections.abc import Callable

from domains.thunderlink.socket.following import Following
from domains.thunderlink.socket.sources import Heartbeats, Source, Stream


class DomainTicks(Following):
    """Each heartbeat: `domain_tick` {count, timestamp, latency_ms, active_domains}."""

    topics = ("system:domain_tick",)
    scope = "system:read"

    def source(self) -> tuple[str, Callable[[], Source]]:
        """The ring of the latest heartbeats."""
        return self.topic, Heartbeats


class DomainChanges(Following):
    """A domain became active, or is so no longer."""

    topics = ("system:domain_activated", "system:domain_deactivated")
    scope = "system:read"

    def source(self) -> tuple[str, Callable[[], Source]]:
        """The system's stream, of which one topic is shown."""
        wanted = self.topic.replace(":", ".")
        event = self.topic.partition(":")[2]
        return self.topic, lambda: Stream("system", lambda topic: event if topic == wanted else None)

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domains.thunderflow.payloads import Payload

STREAM = "system"


class DomainChanged(Payload):
    """A domain went from one state to another. `tick` is the heartbeat; `reason` is empty when all is well."""

    topic: ClassVar[str] = "system.*"

    domain: str
    was: str
    status: str
    tick: int
    reason: str = ""


class RetentionChanged(Payload):
    """An operator changed how much of a store is kept. None: for ever, or without a ceiling."""

    topic: ClassVar[str] = "system.retention_changed"

    store: str
    enabled: bool
    keep_days: int | None
    max_bytes: int | None


class RetentionApplied(Payload):
    """Something went for good. `rows` is an estimate; `reason` is `age` or `size`."""

    topic: ClassVar[str] = "system.retention_applied"

    store: str
    what: str
    rows: int
    bytes: int
    reason: str


class RetentionBlocked(Payload):
    """Something should go and stays, as a subscriber has not read it. Told once, until it no longer holds it up."""

    topic: ClassVar[str] = "system.retention_blocked"

    store: str
    subscription: str
    behind: int
    """Events that it has not read."""
    what: str
    reason: str
    bytes: int
    newest_at: datetime | None


class DiskChanged(Payload):
    """The database's disk became low or critical, or has room again."""

    level: str
    was: str
    free_bytes: int
    total_bytes: int


class DiskLow(DiskChanged):
    """At `critical`, worlds stand still."""

    topic: ClassVar[str] = "system.disk_low"


class DiskOk(DiskChanged):
    """What waited goes on."""

    topic: ClassVar[str] = "system.disk_ok"

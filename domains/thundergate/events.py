"""What security tells. Never a token itself: who reads events must not be able to act as somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload

STREAM = "security"
"""Apart from the system's own: who sees how domains and nodes do sees nobody's keys, tokens and grants."""
ALERTS = "gate"
"""The stream of alerts."""


class TokenIssued(Payload):
    """Somebody can sign in with a token now, until it expires. `agent_id` is the agent that it speaks for."""

    topic: ClassVar[str] = "system.token_issued"

    token_id: UUID
    user_id: UUID
    agent_id: UUID | None
    expires_at: datetime


class TokenRevoked(Payload):
    """A token is good for nothing any more, before its time."""

    topic: ClassVar[str] = "system.token_revoked"

    token_id: UUID
    user_id: UUID
    agent_id: UUID | None
    reason: str


class KeyIssued(Payload):
    """A key was made, or made anew in place of `replaces`."""

    topic: ClassVar[str] = "system.key_issued"

    key_id: UUID
    prefix: str
    user_id: UUID
    agent_id: UUID | None
    scopes: list[str]
    expires_at: datetime | None
    replaces: UUID | None


class KeyRevoked(Payload):
    """A key is good for nothing any more, and what it was exchanged for neither."""

    topic: ClassVar[str] = "system.key_revoked"

    key_id: UUID
    prefix: str
    user_id: UUID
    agent_id: UUID | None
    reason: str


class MemoryGranted(Payload):
    """Somebody may read an agent's memories from now on."""

    topic: ClassVar[str] = "system.memory_granted"

    user_id: UUID
    agent_id: UUID
    expires_at: datetime | None


class MemoryGrantEnded(Payload):
    """Somebody may read an agent's memories no longer."""

    topic: ClassVar[str] = "system.memory_grant_ended"

    user_id: UUID
    agent_id: UUID


class MemoriesRead(Payload):
    """Somebody looked into the memories of an agent that is not theirs. `why`: `grant` or `operator`."""

    topic: ClassVar[str] = "system.memories_read"

    user_id: UUID
    agent_id: UUID
    why: str
    door: str


class Redacted(Payload):
    """Somebody was forgotten: who is not said. `rows` are those changed or removed, by table."""

    topic: ClassVar[str] = "system.redacted"

    redaction_id: UUID
    kind: str
    rounds: int
    rows: dict[str, int]


class AlertChanged(Payload):
    """What a rule found, at which labels, and since when it is so."""

    alert_id: int
    rule: str
    severity: str
    key: str
    since: datetime
    details: dict[str, Any]
    hint: str


class AlertRaised(AlertChanged):
    """Something needs a person."""

    topic: ClassVar[str] = "gate.alert_raised"


class AlertResolved(AlertChanged):
    """It does no more."""

    topic: ClassVar[str] = "gate.alert_resolved"


class AlertAcknowledged(Payload):
    """Somebody sees to it: the event's actor."""

    topic: ClassVar[str] = "gate.alert_acknowledged"

    alert_id: int
    rule: str
    key: str

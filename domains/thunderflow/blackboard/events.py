"""What the blackboard tells: each change of an entry in its namespace's stream, and changes of namespaces."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from domains.thunderflow.payloads import Payload

Change = Literal["put", "deleted", "expired"]


class EntryChanged(Payload):
    """An entry was put, deleted, or has outlived its time. Its version is the event's `seq`."""

    topic: ClassVar[str] = "blackboard.**"

    key: str
    change: Change
    entry_version: int
    was_version: int = 0
    """0: there was no such entry."""
    value: Any = None
    author: str
    """Who put or deleted it; of one that expired, who had put it."""
    expires_at: datetime | None = None


class NamespaceChanged(Payload):
    """A namespace was made, or another owner or other rules given to it."""

    topic: ClassVar[str] = "system.blackboard_namespace"

    namespace: str
    owner: str
    writers: str


def stream(namespace: str) -> str:
    """The stream of a namespace."""
    return f"blackboard:{namespace}"


def topic(key: str) -> str:
    """The topic under which changes of an entry are told."""
    return f"blackboard.{key}"

"""Phoenix Channels v2 over text frames: `[join_ref, ref, topic, event, payload]`.

https://hexdocs.pm/phoenix/writing_a_channels_client.html and `Phoenix.Socket.V2.JSONSerializer`. What the server
broadcasts has neither ref, so that one frame serves all who joined a topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

MAX_REF, MAX_NAME = 64, 255
"""Characters of a ref, and of a topic or an event."""
Json = orjson.Fragment


class BadFrame(ValueError):
    """What came is no message of this protocol; its refs and topic are there as far as they could be read."""

    def __init__(self, message: str, join_ref: str | None = None, ref: str | None = None, topic: str = "") -> None:
        super().__init__(message)
        self.join_ref, self.ref, self.topic = join_ref, ref, topic


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: dict[str, Any]


def parse(text: str) -> Message:
    """Raises: BadFrame."""
    try:
        parts = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise BadFrame(f"no JSON: {error}") from None
    if not isinstance(parts, list) or len(parts) != 5:
        raise BadFrame("a message is an array of join_ref, ref, topic, event and payload")
    join_ref, ref, topic, event, payload = parts
    if not (_is_ref(join_ref) and _is_ref(ref)):
        raise BadFrame(f"join_ref and ref are null or strings of at most {MAX_REF} characters")
    known = join_ref, ref, topic if _is_name(topic) else ""
    if not (_is_name(topic) and _is_name(event)):
        raise BadFrame(f"topic and event are strings of 1 to {MAX_NAME} characters", *known)
    if not isinstance(payload, dict):
        raise BadFrame("the payload is an object", *known)
    return Message(join_ref, ref, topic, event, payload)


def _is_ref(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= MAX_REF)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def push(topic: str, event: str, payload: Any, *, join_ref: str | None = None) -> str:
    """A message of the server's own accord; without `join_ref` it fits all who joined the topic."""
    return _dumps([join_ref, None, topic, event, payload])


def reply(to: Message | BadFrame, status: str, response: Any) -> str:
    """The answer to a message; `status` is `ok` or `error`."""
    return _dumps([to.join_ref, to.ref, to.topic, "phx_reply", {"status": status, "response": response}])


def _dumps(value: object) -> str:
    return orjson.dumps(value, default=str).decode()

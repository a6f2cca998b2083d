"""An event of no particular meaning."""

from typing import Any, ClassVar

from domains.thunderflow.actions import NewEvent
from domains.thunderflow.payloads import Payload


class Told(Payload):
    topic: ClassVar[str] = "test.**"

    what: Any


def told(stream: str, what: Any, topic: str = "test.told", **fields: Any) -> NewEvent:
    return NewEvent(stream, topic, Told(what=what), **fields)

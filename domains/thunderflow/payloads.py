"""What an event may carry: typed, versioned, refusing fields that it does not know.

Each app declares its payloads in its `events.py`. The class attribute `topic` is the pattern of the topics under
which the payload is published; `version` goes up when the shape changes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from domains.thunderflow.patterns import matches, to_regex


class Payload(BaseModel):
    """Base of all event payloads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "topic" in cls.__dict__:
            to_regex(cls.topic)  # a pattern that is none is refused here, not when somebody asks for a topic's type
            _declared[cls.topic] = cls


_declared: dict[str, type[Payload]] = {}


def declared() -> dict[str, type[Payload]]:
    """Every payload class by its topic pattern."""
    return dict(sorted(_declared.items()))


def payload_type(topic: str) -> type[Payload] | None:
    """The class that a topic's payload has, if it is declared: by its very name first, then by a pattern."""
    return _declared.get(topic) or next((cls for pattern, cls in _declared.items() if matches(pattern, topic)), None)

"""What an event may carry: typed, versioned, refusing fields that it does not know.

Each app declares its payloads in its `events.py`. The class attribute `topic` is the pattern of the topics under
which the payload is published; `version` goes up when the shape changes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from domains.thunderflow.patterns import matches, to_regex


class Payload(BaseModel):
    """Base of all event payloads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def trusted(cls, **fields: Any) -> Self:
        """Make one without validation, a fifth of the cost: all fields, of the types declared, made by the caller.

        For what is told thousands of times a second. What is stored is validated by tests, of every kind of event.
        """
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", fields)
        object.__setattr__(made, "__pydantic_fields_set__", cls.model_fields.keys())
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

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
    """The class that a topic's payload has, if it is declared."""
    return next((cls for pattern, cls in _declared.items() if matches(pattern, topic)), None)

"""What an event may carry: typed, versioned, refusing fields that it does not know.

Each app declares its payloads in its `events.py`. The class attribute `topic` is the pattern of the topics under
which the payload is published; `version` goes up when the shape changes, and `upcasts` then says for each older version
how its data becomes that of the next:

    class Moved(Payload):
        topic: ClassVar[str] = "zone.*.moved"
        version: ClassVar[int] = 2
        upcasts: ClassVar[Upcasts] = {1: lambda data: {"reason": "", **data}}
        reason: str

The log is never rewritten: what it holds is brought up to date when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from domains.thunderflow.patterns import matches, to_regex

Upcasts = Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]
"""By version: from its data to that of the version after it. Pure, and free to change the dict that it is given."""


class PayloadError(Exception):
    """A stored payload cannot be read as what its topic declares."""


class UnknownTopic(PayloadError):
    """No payload is declared for the topic: whatever declared it is not installed any more."""


class UnknownVersion(PayloadError):
    """The event is newer than the code that reads it, or so old that nothing brings it up to date."""


class Payload(BaseModel):
    """Base of all event payloads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: ClassVar[str]
    version: ClassVar[int] = 1
    upcasts: ClassVar[Upcasts] = {}

    @classmethod
    def upcast(cls, version: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """Data of an older version in the shape of this class's. Raises: UnknownVersion."""
        shape = dict(data)
        for step in range(version, cls.version):
            if step not in cls.upcasts:
                raise UnknownVersion(f"{cls.__name__} does not say how version {step} becomes {step + 1}")
            shape = cls.upcasts[step](shape)
        if version > cls.version:
            raise UnknownVersion(f"{cls.__name__} is at version {cls.version} and knows no version {version}")
        return shape

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


class Stored(Protocol):
    """An event as far as its payload goes; `thunderflow.queries.StoredEvent` is one."""

    @property
    def topic(self) -> str: ...

    @property
    def event_version(self) -> int: ...

    @property
    def payload(self) -> dict[str, Any]: ...


class Whole(Stored, Protocol):
    """An event that can be had in another shape."""

    def with_payload(self, payload: dict[str, Any], *, version: int) -> Self: ...


Event = TypeVar("Event", bound=Whole)


def typed(event: Stored) -> Payload:
    """The payload as the class that its topic declares today, whatever version was stored.

    Raises: UnknownTopic, UnknownVersion, pydantic.ValidationError.
    """
    kind = payload_type(event.topic)
    if kind is None:
        raise UnknownTopic(f"no payload is declared for {event.topic}")
    return kind.model_validate(kind.upcast(event.event_version, event.payload))


def up_to_date(event: Stored) -> dict[str, Any]:
    """The payload's data in today's shape; as it was stored when nobody declares its topic (any more).

    For those who read many kinds of events and must not stumble over one of a plug-in that is gone. Not validated.
    Raises: UnknownVersion.
    """
    kind = payload_type(event.topic)
    if kind is None or kind.version == event.event_version:
        return event.payload
    return kind.upcast(event.event_version, event.payload)


def today(event: Event) -> Event:
    """The event as `up_to_date` has it, of today's version too: whoever gets it may bring it up to date again.

    Raises: UnknownVersion.
    """
    kind = payload_type(event.topic)
    if kind is None or kind.version == event.event_version:
        return event
    return event.with_payload(kind.upcast(event.event_version, event.payload), version=kind.version)

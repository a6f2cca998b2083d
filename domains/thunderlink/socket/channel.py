"""What a topic can do: the base of all channels, and which class serves which topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from domains.thunderlink.socket import wire
from domains.thunderlink.socket.refusals import Refusal

if TYPE_CHECKING:
    from domains.thunderlink.socket.connection import Connection


class Channel:
    """One topic as one connection has joined it.

    Subclasses name the topics they serve in `topics`: a whole name, or one that ends in `*`. What a client may not do
    is refused by raising something with a stable `code`; the client gets it as `{"reason": code, "message": …}`.
    """

    topics: ClassVar[tuple[str, ...]] = ()
    pushes: ClassVar[frozenset[str]] = frozenset()
    """Events that clients may push."""
    domain: ClassVar[str] = "thunderlink"
    """Nobody joins while it is not active."""
    scope: ClassVar[str | None] = None
    """What a key has to be for to join; None: the channel looks itself."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for topic in cls.topics:
            if _classes.setdefault(topic, cls) is not cls:
                raise ValueError(f"the topic {topic} is served by {_classes[topic].__name__} already")

    def __init__(self, connection: Connection, topic: str, join_ref: str | None) -> None:
        self.connection, self.topic, self.join_ref = connection, topic, join_ref

    def known(self, event: str) -> str:
        """The event, if it is one that clients may push: for counting."""
        return event if event in self.pushes else "unknown"

    @property
    def session(self) -> str:
        """Name of this joining, of this connection, on this topic."""
        return f"{self.connection.id}:{self.join_ref}"

    async def join(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Let the client in, or refuse by raising. Returns what it is told."""
        return {}

    async def joined(self) -> None:
        """The client knows that it is in: push what it has to have first."""

    async def pushed(self, event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the client asks for. Returns what it is told. Pushes of a connection begin in their order."""
        raise Refusal("unknown_event", f"{self.topic} knows no {event[:100]!r}")

    async def left(self) -> None:
        """The client has left, or is gone."""

    def push(self, event: str, payload: Any) -> None:
        """Send this client something."""
        self.connection.send(wire.push(self.topic, event, payload))


_classes: dict[str, type[Channel]] = {}


def find(topic: str) -> type[Channel] | None:
    """The class that serves a topic."""
    if exact := _classes.get(topic):
        return exact
    return next((cls for name, cls in _classes.items() if name.endswith("*") and topic.startswith(name[:-1])), None)

"""Who is in a zone by the socket: one `Presences` a process, diffs encoded once for all who watch a topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domains.thunderlink.presence import Diff, Presences, State
from domains.thunderlink.socket import wire
from domains.thunderlink.socket.hub import Hub

Send = Callable[[str], None]


class Rooms:
    """Topics of this process with who watches them."""

    def __init__(self, hub: Hub) -> None:
        self.presences = Presences()
        self._told: dict[str, tuple[dict[Any, Send | None], Callable[[Diff], None]]] = {}
        hub.spawn(self.presences.start())
        hub.at_end(self.presences.close)

    async def watch(self, topic: str, who: Any, send: Send) -> State:
        """What is so now; `send` gets the frame of each change from then on."""
        if topic not in self._told:
            watching: dict[Any, Send | None] = {}
            self._told[topic] = (watching, lambda diff: _tell(topic, watching, diff))
        watching, told = self._told[topic]
        watching[who] = None  # who leaves meanwhile must not take it away from those who come
        try:
            state = await self.presences.watch(topic, told)
        except BaseException:
            self.unwatch(topic, who)
            raise
        if who in watching:
            watching[who] = send
        elif not watching:  # it has left meanwhile, the last
            self.presences.unwatch(topic, told)
        return state

    def unwatch(self, topic: str, who: Any) -> None:
        """Send it nothing more."""
        watching, told = self._told.get(topic, ({}, None))
        watching.pop(who, None)
        if told is not None and not watching:
            del self._told[topic]
            self.presences.unwatch(topic, told)


def _tell(topic: str, watching: dict[Any, Send | None], diff: Diff) -> None:
    frame = wire.push(topic, "presence_diff", diff)
    for send in list(watching.values()):
        if send is not None:
            send(frame)


def of(hub: Hub) -> Rooms:
    """Those of a process."""
    return hub.service("rooms", lambda: Rooms(hub))

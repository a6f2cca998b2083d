"""Messages of streams that broke off, kept for a while so that clients of the older protocol can take them up again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from mcp.server import Server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import JSONRPCMessage

MOST = 10_000
MOST_BYTES = 16_000_000


class Kept:
    """The newest messages of one process, bounded in number and size. Ids are counted through all sessions."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._events: OrderedDict[int, tuple[_Stream, JSONRPCMessage | None, int]] = OrderedDict()
        self._count, self._bytes = 0, 0

    def of_session(self) -> EventStore:
        """For one more session, which gets its own messages only: others have streams of the same ids."""
        return _Session(self)

    def keep(self, stream: _Stream, message: JSONRPCMessage | None) -> int:
        """Keep one. Returns its id."""
        size = 100 + (len(message.model_dump_json(by_alias=True, exclude_unset=True)) if message is not None else 0)
        self._count += 1
        self._bytes += size
        self._events[self._count] = (stream, message, size)
        while len(self._events) > self._most or (self._bytes > self._most_bytes and len(self._events) > 1):
            _, (_, _, freed) = self._events.popitem(last=False)
            self._bytes -= freed
        return self._count

    def stream_of(self, number: int) -> _Stream | None:
        """The stream of a message; None when it is not kept (any more)."""
        return self._events[number][0] if number in self._events else None

    def after(self, number: int) -> list[tuple[int, JSONRPCMessage | None]]:
        """What came after a message that is kept in the same stream, with ids."""
        stream = self._events[number][0]
        return [(n, message) for n, (of, message, _) in self._events.items() if n > number and of == stream]


class _Session(EventStore):
    """What one session sees of all that is kept."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep one. Returns its id."""
        return str(self._kept.keep((self, stream_id), message))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after it in the same stream. Returns the stream, or None when this session has none there."""
        number = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else 0
        session, stream_id = self._kept.stream_of(number) or (None, "")
        if session is not self:
            return None
        for later_number, message in self._kept.after(number):
            if message is not None:
                await send_callback(EventMessage(message, str(later_number)))
        return stream_id


_Stream = tuple[_Session, str]


class Sessions(StreamableHTTPSessionManager):
    """The SDK's manager, which asks for `event_store` at each session that it opens, and gets one for that alone."""

    def __init__(self, app: Server[Any], kept: Kept, **more: Any) -> None:
        self._kept = kept
        super().__init__(app, **more)

    @property
    def event_store(self) -> EventStore | None:
        return self._kept.of_session()

    @event_store.setter
    def event_store(self, _: EventStore | None) -> None:
        """The SDK sets the one that it was made with, which is none."""

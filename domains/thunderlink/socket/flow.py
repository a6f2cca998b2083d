"""How much a client has yet to read, and how to be rid of it: what ASGI does not say, asked of the server itself.

`send` of daphne returns at once and of uvicorn mostly; behind a reader that stopped, memory would grow without end.
Under a server that is neither, nothing is known and nothing bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


class Flow:
    """The line to one client, as its server sees it."""

    def __init__(self, send: Any) -> None:
        self._send, self._protocol = send, _protocol(send)
        self._longest = 0
        self.unsent: Callable[[], int] = _unsent(getattr(self._protocol, "transport", None))
        """Bytes that the server holds for the client."""

    def limit(self, message_bytes: int) -> None:
        """Let no message in that is longer, in however many frames; daphne has no option for it, uvicorn has one."""
        if hasattr(self._protocol, "maxMessagePayloadSize"):
            self._longest = message_bytes
            self._protocol.maxFramePayloadSize = self._protocol.maxMessagePayloadSize = message_bytes
            self._protocol.failByDrop = False  # who breaks the protocol is told so

    async def send(self, message: dict[str, Any]) -> None:
        """As the server's own. autobahn holds what it sends to the longest that it takes: not meanwhile."""
        if not self._longest:
            await self._send(message)
            return
        self._protocol.maxMessagePayloadSize = 0
        try:
            await self._send(message)  # daphne reads nothing before this returns
        finally:
            self._protocol.maxMessagePayloadSize = self._longest

    @contextmanager
    def held(self) -> Iterator[None]:
        """Read nothing from the client meanwhile: what the application does not take, daphne keeps without bound."""
        transport: Any = getattr(self._protocol, "transport", None)
        if not hasattr(transport, "pauseProducing"):
            yield
            return
        transport.pauseProducing()
        try:
            yield
        finally:
            transport.resumeProducing()

    def cut(self) -> None:
        """Drop the line with what is unsent."""
        transport = getattr(self._protocol, "transport", None)
        for name in ("abortConnection", "abort"):
            if hasattr(transport, name):
                getattr(transport, name)()
                return


def _protocol(send: Any) -> Any:
    if isinstance(send, partial):  # daphne: partial(Server.handle_reply, protocol)
        return send.args[0] if send.args else None
    return getattr(send, "__self__", None)  # uvicorn: a method of the protocol


def _unsent(transport: Any) -> Callable[[], int]:
    if hasattr(transport, "_tempDataLen"):  # twisted.internet.abstract.FileDescriptor
        return lambda: int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)
    if hasattr(transport, "get_write_buffer_size"):  # asyncio
        return transport.get_write_buffer_size
    return lambda: 0

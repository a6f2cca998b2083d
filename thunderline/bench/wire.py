"""WebSocket as bytes, for load and for hostility: no library sends wrong frames, nor reads tens of thousands a second.

RFC 6455 without extensions. What the server sends is not checked further than needed to find the frames' ends.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from struct import Struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ABNORMAL = 1006
"""The close code of a line that broke without one."""

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")
_LENGTH2, _LENGTH8, _CODE = Struct("!H"), Struct("!Q"), Struct("!H")

OnText = Callable[[bytes], object]


class HandshakeError(ConnectionError):
    """The server did not agree to speak WebSocket. `status` is what it answered; 0: nothing."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(f"no WebSocket: {answer[:300]!r}")
        self.status = status


class Wire(asyncio.Protocol):
    """One connection. `on_text` is called with each text frame; pings are answered; `closed` has the close code."""

    def __init__(self, on_text: OnText) -> None:
        self.on_text = on_text
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._shaken, self._code, self._parts = False, ABNORMAL, bytearray()
        self.transport: asyncio.Transport

    @classmethod
    async def open(
        cls, host: str, port: int, path: str, on_text: OnText, *, headers: Mapping[str, str] = {}, timeout_s: float = 30
    ) -> Wire:
        """Connect and shake hands. Raises: HandshakeError, OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            _, wire = await loop.create_connection(lambda: cls(on_text), host, port)
            try:
                wire.transport.write(_request(f"{host}:{port}", path, headers))
                await wire._opened
            except BaseException:
                wire.transport.abort()
                raise
        return wire

    def send(self, payload: bytes, opcode: int = TEXT, *, first: int | None = None, masked: bool = True) -> None:
        """One frame. `first` replaces its first byte: FIN, the reserved bits and the opcode."""
        head, size, bit = 0x80 | opcode if first is None else first, len(payload), 0x80 if masked else 0
        if size < 126:
            start = _SHORT.pack(head, bit | size)
        elif size < 65536:
            start = _MEDIUM.pack(head, bit | 126, size)
        else:
            start = _LONG.pack(head, bit | 127, size)
        # A mask of zeros is one, and leaves the payload as it is.
        self.transport.write(start + bytes(4 if masked else 0) + payload)

    def close(self, code: int = 1000) -> None:
        """Ask for the end; `closed` tells when it is there."""
        self.send(_CODE.pack(code), CLOSE)

    # --- asyncio.Protocol ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        if not self._opened.done():
            self._opened.set_exception(HandshakeError(0, self._buffer.decode(errors="replace")))
        if not self.closed.done():
            self.closed.set_result(self._code)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        buffer = self._buffer
        buffer += data
        if not self._shaken and not self._shake():
            return
        at, end = 0, len(buffer)
        while end - at >= 2:
            size, begin = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                begin += 2
                size = _LENGTH2.unpack_from(buffer, at + 2)[0] if begin <= end else end
            elif size == 127:
                begin += 8
                size = _LENGTH8.unpack_from(buffer, at + 2)[0] if begin <= end else end
            if begin + size > end:
                break
            self._take(buffer[at], bytes(buffer[begin : begin + size]))
            at = begin + size
        del buffer[:at]

    def _take(self, first: int, payload: bytes) -> None:
        opcode, last = first & 0x0F, first & 0x80
        if opcode == TEXT and last:
            self.on_text(payload)
        elif opcode in (0, TEXT):
            self._parts += payload
            if last:
                whole, self._parts = bytes(self._parts), bytearray()
                self.on_text(whole)
        elif opcode == PING:
            self.send(payload, PONG)
        elif opcode == CLOSE:
            self._code = _CODE.unpack_from(payload)[0] if len(payload) >= 2 else 1005
            self.send(payload[:2], CLOSE)
            self.transport.close()

    def _shake(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        words = head.split(None, 2)
        if words[1:2] != [b"101"]:
            status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self._opened.set_exception(HandshakeError(status, head.decode(errors="replace")))
            self.transport.close()
            return False
        self._shaken, self._buffer[:] = True, rest
        self._opened.set_result(None)
        return True


def _request(host: str, path: str, headers: Mapping[str, str]) -> bytes:
    usual = {
        "Host": host, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }  # fmt: skip
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**usual, **headers}.items())]
    return "\r\n".join([*lines, "", ""]).encode()

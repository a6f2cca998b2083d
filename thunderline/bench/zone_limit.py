"""The limit to compare the socket with: a bare server on the same library that hands the same frames to all.

No database, no Redis, no checks: it makes the events itself, and answers every push. Runs as
`python -m thunderline.bench.zone_limit daphne|uvicorn PORT`: daphne's frames are written by autobahn on Twisted,
uvicorn's by websockets. Reads lines of JSON `{"per_s", "seconds"}`, as the publisher does, and answers them as it does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

import orjson
from uuid_utils.compat import uuid7

from thunderline.bench.zone_publisher import COMMITS_PER_S

BATCH_S = 0.05
MOST = 1 << 20
"""Bytes of a message, out or in, as daphne has it."""


class Hall:
    """Who is connected, and what they are told. `fan` sends all of some clients the same frame."""

    def __init__(self, fan: Callable[[Collection[Any], bytes], object]) -> None:
        self.singles: set[Any] = set()
        self.batches: set[Any] = set()
        self._fan = fan
        self.seq, self.topic = 0, ""
        self._held: list[bytes] = []
        self._payload = orjson.dumps(
            {
                "agent_id": str(uuid7()), "name": "Agent 17", "tick_number": 17, "world_tick": 17, "action": "explore",
                "narrative": "Agent 17 looks around and finds a path that was not there before.", "mood": 0.25,
                "energy": 62.5, "activity": "exploring", "x": 17.0, "y": 1.5, "state_hash": "0123456789abcdef",
            }
        )  # fmt: skip

    def take(self, who: Any, text: bytes) -> None:
        """A message of a client: joining is noted, everything is answered."""
        join_ref, ref, topic, event, payload = orjson.loads(text)
        if event == "phx_join":
            self.topic = topic
            (self.batches if payload.get("batch") else self.singles).add(who)
        answer = [join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {"seq": self.seq}}]
        self._fan([who], orjson.dumps(answer))

    def gone(self, who: Any) -> None:
        """A client is no longer connected."""
        self.singles.discard(who)
        self.batches.discard(who)

    async def publish(self, per_s: float, seconds: float) -> dict[str, Any]:
        """At instants set beforehand; `commits` is a list of (seq, instant)."""
        pace, commits, first, owed = min(COMMITS_PER_S, per_s), list[tuple[int, float]](), self.seq + 1, 0.0
        began = time.monotonic()
        for turn in range(round(pace * seconds)):
            owed += per_s / pace + 1e-9
            count, owed = int(owed), owed % 1
            await asyncio.sleep(max(0.0, began + turn / pace - time.monotonic()))
            commits.append((self.seq + count, time.monotonic()))
            self._tell(count)
        return {"commits": commits, "first": first, "began": began, "ended": time.monotonic()}

    def _tell(self, count: int) -> None:
        for _ in range(count):
            self.seq += 1
            if self.batches:
                self._held.append(b'{"event":"agent_ticked","seq":%d,"payload":%b}' % (self.seq, self._payload))
            if self.singles:
                frame = b'[null,null,"%b","agent_ticked",%b,"seq":%d}]' % (
                    self.topic.encode(), self._payload[:-1], self.seq,
                )  # fmt: skip
                self._fan(self.singles, frame)

    async def flush(self) -> None:
        """Batches, for ever."""
        while True:
            await asyncio.sleep(BATCH_S)
            if self._held:
                held, self._held = self._held, []
                frame = b'[null,null,"%b","batch",{"events":[%b]}]' % (self.topic.encode(), b",".join(held))
                self._fan(self.batches, frame)

    async def obey(self) -> None:
        """Do what the lines say until there are no more."""
        flushing = asyncio.create_task(self.flush())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            sys.stdout.buffer.write(orjson.dumps(await self.publish(**orjson.loads(line))) + b"\n")
            sys.stdout.buffer.flush()
        flushing.cancel()


def like_daphne(port: int) -> None:
    """As daphne has it: autobahn on Twisted, on asyncio's loop."""
    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncioreactor.install(loop)
    from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
    from twisted.internet import reactor

    def fan(clients: Collection[Any], frame: bytes) -> None:
        for client in clients:
            client.sendMessage(frame)

    hall = Hall(fan)

    class Protocol(WebSocketServerProtocol):
        """One client."""

        def onMessage(self, payload: bytes, isBinary: bool) -> None:
            hall.take(self, payload)

        def onClose(self, *_: object) -> None:
            hall.gone(self)

    factory = WebSocketServerFactory()
    factory.protocol = Protocol
    factory.setProtocolOptions(maxMessagePayloadSize=MOST, maxFramePayloadSize=MOST)
    served: Any = reactor
    served.listenTCP(port, factory, interface="127.0.0.1", backlog=1024)

    async def until_the_end() -> None:
        await hall.obey()
        served.stop()

    obeying = loop.create_task(until_the_end())
    served.run()
    obeying.cancel()


def like_uvicorn(port: int) -> None:
    """As uvicorn has it: websockets, on asyncio's loop."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    hall = Hall(lambda clients, frame: broadcast(clients, frame.decode()))

    async def client(connection: ServerConnection) -> None:
        try:
            async for text in connection:
                hall.take(connection, text.encode() if isinstance(text, str) else text)
        finally:
            hall.gone(connection)

    async def main() -> None:
        async with serve(client, "127.0.0.1", port, max_size=MOST, compression=None, backlog=1024):
            await hall.obey()

    asyncio.run(main())


if __name__ == "__main__":
    {"daphne": like_daphne, "uvicorn": like_uvicorn}[sys.argv[1]](int(sys.argv[2]))

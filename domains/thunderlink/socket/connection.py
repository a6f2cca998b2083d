"""One client of the socket: reads its messages in order, lets channels answer, writes what they have for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domains.ids import new_id
from domains.origin import Origin
from domains.thunderflow.context import acting
from domains.thundergate import limits
from domains.thunderlink.socket import channel, metrics, wire
from domains.thunderlink.socket.channel import Channel
from domains.thunderlink.socket.flow import Flow
from domains.thunderlink.socket.refusals import Refusal, told
from domains.thunderlink.socket.wire import BadFrame, Message

if TYPE_CHECKING:
    from domains.thundergate.access import Identity
    from domains.thundergate.tokens import Claims
    from domains.thunderlink.socket.hub import Hub

logger = logging.getLogger(__name__)
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

RESYNC, REVOKED, FLOODED, TOO_BIG, BINARY, CROWDED = 4008, 4001, 4029, 4009, 4003, 4013
"""Close codes. autobahn sends none of the protocol's own but 1000."""
STALLED_S = 10.0
"""How long nothing may move of what a client has to read."""
GRACE_S = 2.0
"""Between a close and the end of the line."""
PATIENCE = 200
"""Messages in a row above the limit after which a client is not answered any more but closed."""
REMEMBERED = 64
"""Pushes that a connection would know again."""


class Connection:
    """A client that was let in. Lives in one event loop; nothing here is for threads."""

    def __init__(self, hub: Hub, send: Send, *, who: Identity, session_key: str | None = None) -> None:
        self.id: UUID = new_id()
        self.hub, self.who, self.session_key = hub, who, session_key
        self.identity = limits.of(who)
        """Whose connections are counted together, also once their account is gone."""
        self.flow = Flow(send)
        self.channels: dict[str, Channel] = {}
        self.closing = False
        self._send = self.flow.send
        self._outbox: deque[str] = deque()
        self._held = 0
        """Characters in the outbox."""
        self._wake = asyncio.Event()
        self._moved = (0, time.monotonic())
        self._bucket = limits.Bucket("message")
        self._refused = 0
        self._busy: set[asyncio.Task[None]] = set()
        self._done = deque[int](maxlen=REMEMBERED)

    @property
    def user(self) -> Any:
        """The account, as it was when somebody last looked."""
        return self.who.user

    @user.setter
    def user(self, user: Any) -> None:
        self.who = replace(self.who, user=user)

    @property
    def claims(self) -> Claims | None:
        """What the client showed says; None: it came with a session."""
        return self.who.claims

    @property
    def actor(self) -> str:
        """Who acts, for events."""
        return self.who.actor

    @property
    def origin(self) -> Origin:
        """Where it comes from, for the audit trail."""
        return Origin("socket", self.who.address, self.user.pk, self.who.credential)

    async def run(self, receive: Receive) -> None:
        """Serve until the client is gone or is closed."""
        self.flow.limit(self.hub.limits.message_bytes)
        writer = asyncio.create_task(self._write())
        self.hub.add(self)
        with acting(actor=self.actor, origin=self.origin):
            try:
                await self._read(receive)
            finally:
                self.closing = True
                self.hub.remove(self)
                for task in (writer, *self._busy):
                    task.cancel()
                for joined in list(self.channels.values()):
                    await self._leave(joined)

    # --- Out -------------------------------------------------------------------------------------------------

    def send(self, frame: str) -> None:
        """Have a frame written. One who does not read is closed instead, with `resync`."""
        if self.closing:
            return
        self._outbox.append(frame)
        self._held += len(frame)
        self._wake.set()
        if self.unread() > self.hub.limits.backlog_bytes:
            self.fell_behind()

    def unread(self) -> int:
        """Bytes that wait for the client here; what the kernel holds is not known."""
        return self._held + self.flow.unsent()

    async def drained(self) -> None:
        """Until at least half of what may wait has gone, or the connection."""
        while self.unread() > self.hub.limits.backlog_bytes // 2 and not self.closing:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the server has no event for it

    def check(self, now: float) -> None:
        """Called once a second: one for whom nothing moves is closed."""
        unread, (before, since) = self.unread(), self._moved
        if not unread or unread < before:
            self._moved = (unread, now)
        elif now - since > STALLED_S:
            self.fell_behind()
        else:
            self._moved = (unread, since)

    def fell_behind(self) -> None:
        """It has missed something and has to begin again from the last number it knows."""
        if not self.closing:
            metrics.resynced.labels("slow").inc()
            payload = {"reason": "resync", "message": "you read too slowly; join again with `since`"}
            self.close(RESYNC, "resync", payload)

    async def shut(self, joined: Channel, reason: str, message: str) -> None:
        """Put the client out of one topic. It may try to join again, and is told then whether it may."""
        await self._leave(joined)
        payload = {"reason": reason, "message": message}
        self.send(wire.push(joined.topic, "phx_error", payload, join_ref=joined.join_ref))

    def close(self, code: int, event: str, payload: dict[str, Any]) -> None:
        """End it: tell why on each topic, close, and drop the line a moment later."""
        if self.closing:
            return
        for joined in self.channels.values():
            self._outbox.append(wire.push(joined.topic, event, payload))
        self.closing = True
        self._wake.set()
        self.hub.later(GRACE_S, self.flow.cut)
        self.hub.spawn(self._end(code, payload.get("reason", event)))

    async def _end(self, code: int, reason: str) -> None:
        with suppress(Exception):  # the client, or the server itself, may have closed it already
            while self._outbox and self.flow.unsent() < self.hub.limits.backlog_bytes:
                await self._send({"type": "websocket.send", "text": self._outbox.popleft()})
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _write(self) -> None:
        while not self.closing:
            self._wake.clear()
            while self._outbox and not self.closing:
                frame = self._outbox.popleft()
                self._held -= len(frame)
                await self._send({"type": "websocket.send", "text": frame})
            await self._wake.wait()

    # --- In --------------------------------------------------------------------------------------------------

    async def _read(self, receive: Receive) -> None:
        while not self.closing:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            if event["type"] == "websocket.receive":
                await self._take(event.get("text"))

    async def _take(self, text: str | None) -> None:
        if text is None:
            self._refuse_all(BINARY, "this socket speaks text frames")
        elif len(text.encode()) > self.hub.limits.message_bytes:
            self._refuse_all(TOO_BIG, f"a message has at most {self.hub.limits.message_bytes} bytes")
        else:
            within = self._count()
            try:
                message = wire.parse(text)
            except BadFrame as error:
                self._answer(error, "error", {"reason": "invalid_message", "message": str(error)})
            else:
                await self._take_message(message, within)

    async def _take_message(self, message: Message, within: bool) -> None:
        if within or message.event == "phx_leave":
            asked = replace(self.origin, request=f"{message.event} {message.topic}")
            with acting(correlation_id=new_id(), origin=asked):  # of its own, as each request of HTTP has
                await self._dispatch(message)
        else:
            self._refuse(message, Refusal("rate_limited", "too many messages; slow down"))

    def _count(self) -> bool:
        """Whether another message is within the limit. One who never slows down is closed."""
        if self._bucket.take().allowed:
            self._refused = 0
            return True
        self._refused += 1
        if self._refused > PATIENCE:
            self._refuse_all(FLOODED, "far too many messages")
        return False

    async def _dispatch(self, message: Message) -> None:
        joined = self.channels.get(message.topic)
        if message.topic == "phoenix" and message.event == "heartbeat":
            self._answer(message, "ok", {})
        elif message.event == "phx_join":
            with self.flow.held():
                await self._join(message)
        elif message.event == "phx_leave" and joined is None:
            self._answer(message, "ok", {})
        elif joined is None or message.join_ref not in (None, joined.join_ref):
            self._refuse(message, Refusal("not_joined", f"{message.topic[:100]} is not joined; join it first"))
        elif message.event == "phx_leave":
            await self._leave(joined)
            self._answer(message, "ok", {})
            self.send(wire.push(message.topic, "phx_close", {}, join_ref=joined.join_ref))
        elif len(self._busy) >= self.hub.limits.in_flight:
            self._refuse(message, Refusal("overloaded", "too many of your messages wait for an answer"))
        elif not self._is_repeated(message):
            task = asyncio.create_task(self._push(joined, message))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    def _is_repeated(self, message: Message) -> bool:
        """Whether the same came before, ref and all: the answer to that is the answer to this, and nothing is done."""
        if message.ref is None:
            return False
        mark = hash((message.join_ref, message.ref, message.topic, message.event, repr(message.payload)))
        if mark in self._done:
            return True
        self._done.append(mark)
        return False

    async def _join(self, message: Message) -> None:
        if before := self.channels.get(message.topic):
            await self._leave(before)
            self.send(wire.push(message.topic, "phx_close", {}, join_ref=before.join_ref))
        name = message.topic.partition(":")[0]
        try:
            joining = self._channel(message)
            self.channels[message.topic] = joining
            response = await joining.join(message.payload)
        except Exception as error:
            if (gone := self.channels.pop(message.topic, None)) is not None:
                await gone.left()
            metrics.joins.labels(name if channel.find(message.topic) else "other", "error").inc()
            self._refuse(message, error)
        else:
            metrics.joins.labels(name, "ok").inc()
            self._answer(message, "ok", response)
            await joining.joined()

    def _channel(self, message: Message) -> Channel:
        """Raises: Refusal."""
        cls = channel.find(message.topic)
        if cls is None:
            raise Refusal("unmatched topic", f"there is no topic {message.topic[:100]!r}")
        if cls.scope is not None and not self.who.scoped(cls.scope):
            raise Refusal("access_denied", f"this needs the scope {cls.scope}, which what you showed does not have")
        if len(self.channels) >= self.hub.limits.topics:
            raise Refusal("too_many_topics", f"at most {self.hub.limits.topics} topics a connection; leave one first")
        return cls(self, message.topic, message.join_ref)

    async def _push(self, joined: Channel, message: Message) -> None:
        try:
            response = await joined.pushed(message.event, message.payload)
        except Exception as error:
            metrics.pushes.labels(joined.known(message.event), str(getattr(error, "code", "internal_error"))).inc()
            self._refuse(message, error)
        else:
            metrics.pushes.labels(joined.known(message.event), "ok").inc()
            self._answer(message, "ok", response)

    async def _leave(self, joined: Channel) -> None:
        if self.channels.get(joined.topic) is joined:
            del self.channels[joined.topic]
        try:
            await joined.left()
        except Exception:
            logger.exception("leaving %s", joined.topic)

    def _answer(self, to: Message | BadFrame, status: str, response: Any) -> None:
        self.send(wire.reply(to, status, response))

    def _refuse(self, message: Message, error: BaseException) -> None:
        self._answer(message, "error", told(error, f"{message.event[:50]} on {message.topic[:100]}"))

    def _refuse_all(self, code: int, why: str) -> None:
        self.close(code, "phx_error", {"reason": why})

"""Presence in a web process: its own sessions tracked, topics watched.

Talks to Redis only, through `link`. Redis may go away and come back empty: callers do not notice, except that they see
no change of other processes' sessions meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from django.conf import settings

from domains.thunderlink.presence.entries import Entry, State, checked, state
from domains.thunderlink.presence.errors import Away, NotTracked
from domains.thunderlink.presence.link import Link
from domains.thunderlink.presence.scripts import LOOK, Call, pairs
from domains.thunderlink.presence.tracking import RETRY_S, Tracking
from domains.thunderlink.presence.watching import Told, Watching

CLOSE_S = 2.0

logger = logging.getLogger(__name__)


class Presences:
    """One a process, made in its event loop and used only there: `start()` and `close()` it, or use `async with`.

    A topic, a key and a session have at most 200 characters. A session is unique on its topic: socket and channel.
    """

    def __init__(self, url: str | None = None) -> None:
        self._link = Link(url or settings.REDIS_URL)
        self._tracking = Tracking(self._link)
        self._watching = Watching(self._link, self._tracking)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to renew and to follow. Nothing happens the second time. Never fails."""
        if not self._tasks:
            loops = (self._tracking.keep, self._watching.follow, self._watching.listen)
            self._tasks = [asyncio.create_task(_unceasing(loop), name=f"presence-{loop.__name__}") for loop in loops]

    async def run(self) -> None:
        """`start`, until cancelled, then `close`."""
        async with self:
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Take out all sessions of this process, waiting two seconds at most, and end. Never fails."""
        await _end(self._tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._tracking.forget_all()
        await self._link.redis.aclose()

    async def track(self, topic: str, key: str, session: str, meta: Mapping[str, Any]) -> dict[str, Any]:
        """A session is on a topic, or is there with other metadata. `meta` usually has joined_at, activity, position.

        Returns the metadata with its `phx_ref`. Without Redis it is written once that is back.
        Raises: ValueError (over 2 KB as JSON, over 200 characters).
        """
        checked(topic, session)
        return await self._put(topic, session, Entry.make(key, meta))

    async def update(self, topic: str, session: str, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Other metadata for a session of this process; `phx_ref_prev` says what it had before.

        Raises: NotTracked, ValueError (over 2 KB as JSON).
        """
        old = self._tracking.of(topic).get(session)
        if old is None:
            raise NotTracked(f"{session!r} is not on {topic!r}")
        return await self._put(topic, session, Entry.make(old.key, meta, instead_of=old))

    async def untrack(self, topic: str, session: str) -> None:
        """A session of this process has left. Does nothing for one that was not there."""
        if session in self._tracking.of(topic):
            await self._tracking.put(topic, session, None)

    async def list(self, topic: str) -> State:
        """Who is on a topic, over all processes. Without Redis: what was last read, or this process's sessions."""
        try:
            if self._link.away:
                raise Away
            ((_, _, _, *words),) = await self._link.send([Call(LOOK, topic, (-1,))])
        except Away:
            known = self._watching.known(topic)
            return state((self._tracking.of(topic) if known is None else known).values())
        return state(Entry.decode(value) for _, value in pairs(words))

    async def watch(self, topic: str, told: Told) -> State:
        """The payload of `presence_state`, from which those of `presence_diff` go on that `told` gets from now on.

        `told` is called in the event loop and must not wait. All watchers get the same objects: leave them as they are,
        encode them once. Await it directly (not through a task), or a diff may come before the state. Watching twice
        with one `told` is once.
        """
        return await self._watching.watch(checked(topic), told)

    def unwatch(self, topic: str, told: Told) -> None:
        """Nothing more is told; a topic that nobody watches is not read. Does nothing for who does not watch."""
        self._watching.unwatch(topic, told)

    async def _put(self, topic: str, session: str, entry: Entry) -> dict[str, Any]:
        await self._tracking.put(topic, session, entry)
        return entry.shown()


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Again and again, as `asyncio.wait_for`, which the client uses, loses some cancellations before Python 3.12."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.2)


async def _unceasing(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Whatever goes wrong in a loop is logged, and it goes on."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("presence: %s failed", loop.__name__)
        await asyncio.sleep(RETRY_S)

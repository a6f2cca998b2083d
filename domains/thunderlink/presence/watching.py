"""The topics that somebody in this process watches: one reading of each, told to all who watch it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import redis

from domains.thunderlink.presence.entries import Diff, Entry, State, change, state
from domains.thunderlink.presence.errors import Away
from domains.thunderlink.presence.link import Link
from domains.thunderlink.presence.scripts import ANEW, CHANGED, LOOK, Call, Reply, chunks, pairs
from domains.thunderlink.presence.tracking import RETRY_S, Tracking

LEAST_S = 0.1
"""Between two readings: at most ten a second."""
POLL_S = 1.0
"""Between two looks at all topics, for hints that got lost and sessions that expired."""
MOST_TOPICS = 200
"""Read in one round trip."""

Told = Callable[[Diff], None]

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Topic:
    known: dict[str, Entry] = field(default_factory=dict)
    version: int = -1
    doubts: int = 0
    """The link's, when that version was read."""
    told: dict[Told, None] = field(default_factory=dict)
    shown: State | None = None
    """`known` as a payload, made when somebody comes."""
    comers: int = 0
    first: asyncio.Task[None] | None = None


class Watching:
    """Reads by versions: what has not changed costs a few bytes, what has changed only itself."""

    def __init__(self, link: Link, tracking: Tracking) -> None:
        self._link, self._tracking = link, tracking
        self._topics: dict[str, _Topic] = {}
        self._hinted: set[str] = set()
        self._woken = asyncio.Event()
        self._reading = asyncio.Lock()

    async def watch(self, topic: str, told: Told) -> State:
        """The state from which `told` goes on, one for all. Without Redis it is this process's own sessions."""
        watched = self._topics.setdefault(topic, _Topic())
        watched.comers += 1
        try:
            if watched.first is None:
                watched.first = asyncio.get_running_loop().create_task(self._begin(topic, watched))
            await asyncio.shield(watched.first)
            watched.told[told] = None  # no pause from here on: nothing may come between the state and the first diff
        finally:
            watched.comers -= 1
            self._let_go(topic, watched)
        if watched.shown is None:
            watched.shown = state(watched.known.values())
        return watched.shown

    def unwatch(self, topic: str, told: Told) -> None:
        """Nothing more is told. Does nothing for who does not watch."""
        if watched := self._topics.get(topic):
            watched.told.pop(told, None)
            self._let_go(topic, watched)

    def known(self, topic: str) -> dict[str, Entry] | None:
        """What was read last; None when nobody watches."""
        watched = self._topics.get(topic)
        return watched.known if watched else None

    async def follow(self) -> None:
        """Read what hints say has changed, and each second whatever has, for ever."""
        loop = asyncio.get_running_loop()
        poll_at = loop.time()
        while True:
            self._woken.clear()
            if self._link.away or self._link.held:
                poll_at = max(self._link.held_until, loop.time())
            elif loop.time() >= poll_at:
                poll_at = loop.time() + POLL_S
                await self._read_all(dict(self._topics))
            else:
                await self._read_all({topic: self._topics[topic] for topic in self._hinted & self._topics.keys()})
            await asyncio.sleep(LEAST_S)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(poll_at):
                    await self._woken.wait()

    async def listen(self) -> None:
        """Hear hints, for ever. A connection that was lost may mean a Redis that has lost its data."""
        again = False
        while True:
            try:
                async with self._link.redis.pubsub() as channel:
                    await channel.subscribe(CHANGED, ANEW)
                    if again:
                        self._link.doubt()
                    while True:
                        self._hear(await channel.get_message(ignore_subscribe_messages=True, timeout=POLL_S))
            except (redis.RedisError, OSError):
                again = True  # the link tells of it
            await asyncio.sleep(RETRY_S)

    def _hear(self, message: Reply) -> None:
        if message is None:
            return
        if message["channel"] == ANEW:
            self._link.saw(message["data"])
        elif message["data"] in self._topics:
            self._hinted.add(message["data"])
            self._woken.set()

    async def _begin(self, topic: str, watched: _Topic) -> None:
        try:
            if self._link.away:
                raise Away
            await self._read({topic: watched}, believing=True)
        except Away:
            watched.known.update(self._tracking.of(topic))
            watched.shown = None

    def _let_go(self, topic: str, watched: _Topic) -> None:
        if not watched.told and not watched.comers and self._topics.get(topic) is watched:
            del self._topics[topic]
            self._hinted.discard(topic)

    async def _read_all(self, topics: dict[str, _Topic]) -> None:
        self._hinted -= topics.keys()
        with suppress(Away):
            for some in chunks(topics.items(), MOST_TOPICS):
                await self._read(dict(some))

    async def _read(self, topics: dict[str, _Topic], *, believing: bool = False) -> None:
        """Raises: Away. What a Redis in doubt says is dropped, unless one believes it for lack of anything better."""
        async with self._reading:
            if self._link.held and not believing:
                return
            doubts = self._link.doubts
            calls = [
                Call(LOOK, topic, (watched.version if watched.doubts == doubts else -1,))
                for topic, watched in topics.items()
            ]
            replies = await self._link.send(calls)
            if self._link.doubts != doubts and not believing:
                return
            for watched, reply in zip(topics.values(), replies, strict=True):
                watched.doubts = doubts
                _apply(watched, reply)


def _apply(watched: _Topic, reply: Reply) -> None:
    _, watched.version, whole, *words = reply
    changes = {session: Entry.decode(value) for session, value in pairs(words)}
    if whole:
        changes |= dict.fromkeys(watched.known.keys() - changes.keys())
    diff = change(watched.known, changes)
    if diff is None:
        return
    watched.shown = None
    for told in list(watched.told):
        if told in watched.told:
            _tell(told, diff)


def _tell(told: Told, diff: Diff) -> None:
    try:
        told(diff)
    except Exception:
        logger.exception("presence: a watcher failed")

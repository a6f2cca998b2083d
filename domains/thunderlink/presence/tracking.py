"""The sessions of this process: what they should be is held here, and Redis is brought to it again and again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import Gauge

from domains.thunderlink.presence.entries import Entry
from domains.thunderlink.presence.errors import Away
from domains.thunderlink.presence.link import Link
from domains.thunderlink.presence.scripts import COUNT, OVERDUE, RENEW, TTL_S, WRITE, Call, per_topic

RENEW_S = 2.5
RETRY_S = 0.5
"""Between two tries while Redis is away."""
LEAST_S = 0.1
"""Between two renewals, whatever happens."""

sessions_present = Gauge(
    "thunderline_presence_sessions", "Sessions that are present somewhere", multiprocess_mode="livesum"
)


class Tracking:
    """Changes are made at once here and written in batches: who comes while one is written is in the next."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._own: dict[str, dict[str, Entry]] = {}
        self._behind: dict[tuple[str, str], float] = {}
        """(topic, session) whose change Redis may not know, and when it was made."""
        self._writing = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, topic: str) -> dict[str, Entry]:
        """This process's sessions on a topic."""
        return self._own.get(topic, {})

    async def put(self, topic: str, session: str, entry: Entry | None) -> None:
        """Have a session as it should be, None to have it gone. Returns once Redis knows, at once if it is away.

        A caller that is cancelled takes nothing back.
        """
        sessions = self._own.setdefault(topic, {})
        sessions_present.inc((entry is not None) - (session in sessions))
        if entry is not None:
            sessions[session] = entry
        else:
            sessions.pop(session, None)
        if not sessions:
            del self._own[topic]
        self._behind[topic, session] = asyncio.get_running_loop().time()
        if not self._link.away:
            await asyncio.shield(self._written())

    async def forget_all(self) -> None:
        """All sessions of this process are gone. Never fails."""
        now = asyncio.get_running_loop().time()
        self._behind.update({(topic, session): now for topic, own in self._own.items() for session in own})
        sessions_present.dec(sum(map(len, self._own.values())))
        self._own.clear()
        await asyncio.shield(self._written())

    async def keep(self) -> None:
        """Renew for ever, and sooner when Redis may have lost something."""
        while True:
            await self.renew()
            await asyncio.sleep(LEAST_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._link.away else RENEW_S):
                    await self._link.doubted.wait()

    async def renew(self) -> None:
        """Tell Redis of all sessions and clear topics that nobody renews. Never fails."""
        self._link.doubted.clear()
        with suppress(Away):
            async with self._writing:
                await self._write()
                await self._renew()
                await self._write()

    def _written(self) -> asyncio.Task[None]:
        """The next batch, for as many as wait for it."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._flush())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    async def _flush(self) -> None:
        async with self._writing:
            self._next = None
            if not self._link.away:
                with suppress(Away):
                    await self._write()

    async def _write(self) -> None:
        """Raises: Away; what was to be written still is, then."""
        batch = dict(self._behind)
        if not batch:
            return
        try:
            await self._link.send(list(self._changes(batch)))
        except Away:
            self._give_up_old()
            raise
        for place, at in batch.items():
            if self._behind[place] == at:
                del self._behind[place]

    def _changes(self, batch: dict[tuple[str, str], float]) -> Iterator[Call]:
        values: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for topic, session in batch:
            entry = self.of(topic).get(session)
            values[topic][session] = entry.encode() if entry is not None else ""
        for topic, sessions in values.items():
            yield from per_topic(WRITE, topic, sessions)

    def _give_up_old(self) -> None:
        """Who left longer ago than an entry lives need not be taken out: that bounds what a long absence gathers."""
        past = asyncio.get_running_loop().time() - TTL_S
        self._behind = {
            (topic, session): at
            for (topic, session), at in self._behind.items()
            if at > past or session in self.of(topic)
        }

    async def _renew(self) -> None:
        """Raises: Away."""
        calls = [Call(OVERDUE, "")]
        for topic, own in self._own.items():
            calls += per_topic(RENEW, topic, {session: entry.ref for session, entry in own.items()})
        (_, overdue), *replies = await self._link.send(calls)
        now = asyncio.get_running_loop().time()
        for call, (_, missing) in zip(calls[1:], replies, strict=True):
            self._behind.update({(call.topic, session): now for session in missing})
        if overdue:
            await self._link.send([Call(COUNT, topic) for topic in overdue])

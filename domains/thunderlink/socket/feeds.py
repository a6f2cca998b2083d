"""One feed per watched source and process: it reads what is new and hands it to all who watch, encoded once.

A hint says that there may be something; what is sent is always what the log says, in its order. So a hint that is
lost, doubled or out of order changes nothing but the moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains.thunderflow.faults import AWAY, told
from domains.thunderlink.socket import metrics, wire
from domains.thunderlink.socket.sources import Item, Source

if TYPE_CHECKING:
    from domains.thunderlink.socket.connection import Connection
    from domains.thunderlink.socket.hub import Hub

logger = logging.getLogger(__name__)

PAGE = 2000
"""Events of one look."""
RECENT, RECENT_SIZE = 1000, 500_000
"""Events, and characters of them, that are kept of each watched source for those who come back a little behind."""
IN_A_BATCH = 500
LATE_S = 1.0
SLICE = 200_000
"""Characters handed on at once: more than a client's budget in one go would close one who reads well."""
SLICE_S = 0.02
RETRY_S = 0.5


@dataclass(slots=True, eq=False)
class Subscription:
    """What one joined topic of a connection has got so far."""

    connection: Connection
    topic: str
    batch: bool
    seq: int
    """The last number it was sent, or knows."""
    tells: bool = False
    """It wants to know when it has everything there is."""

    def send(self, frames: Frames, upto: int) -> None:
        """Hand on what these frames hold."""
        for frame in frames.batched if self.batch else frames.single:
            self.connection.send(frame)
        self.seq = upto

    def caught_up(self) -> None:
        """It has everything there is: from here on it is live."""
        if self.tells:
            self.connection.send(wire.push(self.topic, "caught_up", {"seq": self.seq}))


class Frames:
    """Some events as frames of one topic, made when somebody wants them, and once."""

    def __init__(self, topic: str, items: Sequence[Item]) -> None:
        self._topic, self.items = topic, items
        self._batched: list[str] | None = None
        self._single: list[str] | None = None

    @property
    def batched(self) -> list[str]:
        """Lists of `{event, seq, at, payload}`; `at` in seconds since 1970."""
        if self._batched is None:
            whole = [
                {"event": i.event, "seq": i.seq, "at": round(i.at, 3), "payload": wire.Json(i.payload)}
                for i in self.items
            ]
            parts = [whole[n : n + IN_A_BATCH] for n in range(0, len(whole), IN_A_BATCH)]
            self._batched = [wire.push(self._topic, "batch", {"events": part}) for part in parts]
        return self._batched

    @property
    def single(self) -> list[str]:
        """One each, the payload with its `seq`."""
        if self._single is None:
            self._single = [wire.push(self._topic, i.event, wire.Json(_numbered(i))) for i in self.items]
        return self._single


def _numbered(item: Item) -> str:
    return f'{{"seq":{item.seq}' + ("}" if item.payload == "{}" else "," + item.payload[1:])


def _slices(items: Sequence[Item], upto: int) -> list[tuple[list[Item], int]]:
    """Some events in parts of a bounded size, each with the number up to which it is all; never none."""
    parts: list[list[Item]] = [[]]
    size = 0
    for item in items:
        if parts[-1] and size + len(item.payload) > SLICE:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += len(item.payload)
    return [(part, part[-1].seq) for part in parts[:-1]] + [(parts[-1], upto)]


class Feed:
    """One source for one topic. `start` it; it ends with its last subscription, or when it is closed."""

    def __init__(self, hub: Hub, source: Source, topic: str) -> None:
        self.source, self.topic = source, topic
        self.seq = 0
        self.users = 0
        """Who has it, watching or about to."""
        self._hub = hub
        self._subscriptions: set[Subscription] = set()
        self._recent: deque[Item] = deque()
        self._recent_size = 0
        self._recent_after = 0
        """The recent ones are all there are above this number."""
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._failing = False
        self._task = asyncio.create_task(self._run())

    def hint(self, seq: int | None = None) -> None:
        """There may be something new, up to `seq`."""
        if seq is None or seq > self.seq:
            self._wake.set()

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _run(self) -> None:
        looked = float("-inf")
        while True:
            try:
                if not self._ready.is_set():
                    self.seq = self._recent_after = await self._hub.database(self.source.head)
                    self._ready.set()
                await self._wake.wait()
                await asyncio.sleep(max(0.0, looked + self.source.pause_s - time.monotonic()))
                looked = time.monotonic()
                self._wake.clear()
                await self._look()
                self._failing = False
            except Exception as error:
                if not self._failing:
                    logger.warning(
                        "the feed of %s waits: %s", self.topic, told(error), exc_info=not isinstance(error, AWAY)
                    )
                self._failing = True
                self._wake.set()
                await asyncio.sleep(0.5)

    async def _look(self) -> None:
        page = await self._hub.database(self.source.read, self.seq, PAGE)
        if page.upto > self.seq:
            parts = _slices(page.items, page.upto)
            for items, upto in parts[:-1]:
                self._hand_out(items, upto)
                await asyncio.sleep(SLICE_S)
            self._hand_out(*parts[-1])
        if page.more:
            self._wake.set()

    def _hand_out(self, items: list[Item], upto: int) -> None:
        before, self.seq = self.seq, upto
        self._keep(items)
        frames = Frames(self.topic, items)
        for one in list(self._subscriptions):
            if one.seq <= before:
                one.send(frames, upto)
            elif one.seq < upto:  # it began with a state that was newer than this feed
                one.send(Frames(self.topic, [item for item in items if item.seq > one.seq]), upto)
        if items:
            self._count(items)

    def _keep(self, items: Sequence[Item]) -> None:
        self._recent.extend(items)
        self._recent_size += sum(len(item.payload) for item in items)
        while len(self._recent) > RECENT or self._recent_size > RECENT_SIZE:
            oldest = self._recent.popleft()
            self._recent_size -= len(oldest.payload)
            self._recent_after = oldest.seq

    def _count(self, items: Sequence[Item]) -> None:
        watching, now = len(self._subscriptions), time.time()
        metrics.delivered.inc(watching * len(items))
        metrics.batch_events.observe(len(items))
        metrics.batch_age.observe(max(0.0, now - items[0].at))
        if late := sum(now - item.at > LATE_S for item in items):
            metrics.late.inc(late * watching)
        for event, count in Counter(item.event for item in items).items():
            metrics.events.labels(self.topic, event).inc(count)

    async def attach(self, one: Subscription) -> None:
        """Send what it has missed, then go on live, without gap or double."""
        await self._ready.wait()
        while not one.connection.closing:
            if one.seq >= self.seq:
                self._subscriptions.add(one)
                one.caught_up()
                return
            if one.seq >= self._recent_after:
                missed = [item for item in self._recent if item.seq > one.seq]
                items, upto = _slices(missed, self.seq)[0]
                one.send(Frames(self.topic, items), upto)
                await one.connection.drained()
                continue
            try:
                page = await self._hub.database(self.source.read, one.seq, PAGE)
            except Exception as error:  # as the feed's own reading: it is tried again for as long as it is joined
                foreign = not isinstance(error, AWAY)
                logger.warning("catching up on %s waits: %s", self.topic, told(error), exc_info=foreign)
                await asyncio.sleep(RETRY_S)
                continue
            if page.upto <= one.seq:  # the log has them no more
                one.connection.fell_behind()
                return
            for items, upto in _slices(page.items, page.upto):
                one.send(Frames(self.topic, items), upto)
                await one.connection.drained()

    def detach(self, one: Subscription) -> None:
        """Send it nothing more."""
        self._subscriptions.discard(one)


class Feeds:
    """The feeds of a process, by topic and filter."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._feeds: dict[str, Feed] = {}

    def take(self, key: str, topic: str, source: Callable[[], Source]) -> Feed:
        """The feed of this key, begun if there is none. Give it back with `leave`."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(self._hub, source(), topic)
        feed.users += 1
        return feed

    def leave(self, key: str) -> None:
        """The last one to leave ends it."""
        feed = self._feeds[key]
        feed.users -= 1
        if not feed.users:
            del self._feeds[key]
            feed.close()

    def hinted(self, last: dict[str, int]) -> None:
        """Streams have come so far; without any, any may have."""
        for feed in self._feeds.values():
            if not last or feed.source.hint is None:
                feed.hint()
            elif feed.source.hint in last:
                feed.hint(last[feed.source.hint])

    def looked(self, last: dict[str, int]) -> None:
        """Streams are known to have come so far; of the others nothing is known."""
        for feed in self._feeds.values():
            feed.hint(last.get(feed.source.hint) if feed.source.hint else None)

    def streams(self) -> list[str]:
        """The streams that are watched."""
        return [feed.source.hint for feed in self._feeds.values() if feed.source.hint is not None]

    def close(self) -> None:
        """End all of them."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()

"""Feeds, with a source and a client that do as they are told: what real servers do too seldom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from django.db import OperationalError

from domains.thunderlink.socket.feeds import RECENT, Feed, Subscription
from domains.thunderlink.socket.sources import Item, Page


class Hub:
    """Reads at once; fails as often as is asked for."""

    def __init__(self) -> None:
        self.failures = self.reads = 0

    async def database(self, function: Callable[..., Any], *args: Any) -> Any:
        await asyncio.sleep(0)
        if function.__name__ == "read":
            self.reads += 1
            if self.failures:
                self.failures -= 1
                raise OperationalError("away")
        return function(*args)


class Numbers:
    """A source of nothing but numbers."""

    hint: str | None = "numbers"
    pause_s = 0.04
    most_missed = 10_000

    def __init__(self, *numbers: int, head: int) -> None:
        self.numbers, self._head = list(numbers), head

    def head(self) -> int:
        return self._head

    def oldest(self) -> int:
        return self.numbers[0] if self.numbers else 0

    def read(self, after: int, limit: int) -> Page:
        items = [Item(n, time.time(), "counted", "{}") for n in self.numbers if n > after][:limit]
        return Page(items, items[-1].seq if items else after, len(items) == limit)


class Client:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.closing = False

    def send(self, frame: str) -> None:
        self.frames.append(frame)

    def fell_behind(self) -> None:
        self.closing = True

    async def drained(self) -> None:
        await asyncio.sleep(0)


async def feed_of(source: Numbers) -> tuple[Hub, Feed]:
    hub = Hub()
    feed = Feed(cast(Any, hub), source, "numbers")
    await feed.attach(Subscription(cast(Any, Client()), "numbers", False, 1 << 40))
    return hub, feed


async def test_catching_up_goes_on_after_the_database_was_away() -> None:
    source = Numbers(*range(1, 11), head=10)
    hub, feed = await feed_of(source)
    client = Client()
    hub.failures = 1
    catching_up = asyncio.create_task(feed.attach(Subscription(cast(Any, client), "numbers", False, 3)))
    await asyncio.wait_for(catching_up, 5)
    source.numbers += [11, 12]
    feed.hint(12)
    await asyncio.sleep(0.3)
    feed.close()
    assert len(client.frames) == 9


async def test_who_waits_for_what_is_gone_is_told_to_begin_anew() -> None:
    hub, feed = await feed_of(Numbers(head=10))
    client = Client()
    await asyncio.wait_for(feed.attach(Subscription(cast(Any, client), "numbers", False, 3)), 5)
    feed.close()
    assert client.closing
    assert hub.reads < 3


async def test_what_is_kept_is_bounded_and_joins_without_gap() -> None:
    source = Numbers(head=0)
    _, feed = await feed_of(source)
    source.numbers += range(1, 3 * RECENT)
    feed.hint(3 * RECENT)
    await asyncio.sleep(0.3)
    assert len(feed._recent) <= RECENT
    for since in (0, RECENT, 2 * RECENT, 3 * RECENT - 2):
        client = Client()
        await asyncio.wait_for(feed.attach(Subscription(cast(Any, client), "numbers", False, since)), 5)
        assert len(client.frames) == 3 * RECENT - 1 - since
    feed.close()

"""Single items that come in at a rate, handled in batches: grouped by key, in order, each caller with its own result.

For whatever takes in one thing at a time and writes many at once, such as a socket. One event loop; no threads. What
`flush` does runs in the context in which the batcher was made, not in that of whoever came first.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class BatcherError(Exception):
    """Base of what a batcher refuses."""


class Overloaded(BatcherError):
    """There is no room for another item: come back later."""

    code = "overloaded"


class Closed(BatcherError):
    """The batcher takes nothing more."""


class WrongCount(BatcherError):
    """`flush` did not return one result for each item, so that nobody can be told which one is theirs."""


@dataclass(slots=True)
class Stats:
    """What a batcher has done since it was made, and what it holds."""

    waiting: int = 0
    """Items that are in no batch yet."""
    flushing: int = 0
    """Items in batches under way, those between two tries included."""
    refused: int = 0
    withdrawn: int = 0
    """Items whose callers left before they were flushed."""
    retries: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    """How many batches there were of each size, in items; each counts once, however often it was tried."""

    @property
    def batches(self) -> int:
        """How many there were."""
        return self.sizes.total()


@dataclass(slots=True, eq=False)
class _Entry(Generic[Item]):
    item: Item
    since: float
    answer: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class _Lane(Generic[Item]):
    """What waits under one key, oldest first. There is one only while something waits or is flushed."""

    entries: OrderedDict[_Entry[Item], None] = field(default_factory=OrderedDict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Batcher(Generic[Key, Item, Result]):
    """Use it as an async context manager, or `close()` it.

    `flush(key, items)` returns one result for each item, in their order; one that is an exception is raised to its
    caller. A key is flushed when `most` items wait under it or its oldest has waited for `age_s`. Batches of one key
    follow each other in the order of submission and never overlap; up to `concurrency` of different keys go at once.
    `room` is how many items may be unanswered over all keys. A flush that raises one of `retriable` is tried up to
    `tries` times in all, `delay_s` after the first failure, twice that after the second and so on; meanwhile it keeps
    its key's order, and no other key from going on.
    """

    def __init__(
        self, flush: Callable[[Key, list[Item]], Awaitable[Sequence[Result | Exception]]], *, most: int = 20,
        age_s: float = 0.02, room: int = 1000, concurrency: int = 4, tries: int = 3, delay_s: float = 0.05,
        retriable: tuple[type[Exception], ...] = (),
    ) -> None:  # fmt: skip
        if min(most, room, concurrency, tries) < 1 or min(age_s, delay_s) < 0:
            raise ValueError("most, room, concurrency and tries are at least 1, age_s and delay_s at least 0")
        self.stats = Stats()
        self._flush, self._most, self._age_s, self._room = flush, most, age_s, room
        self._tries, self._delay_s, self._retriable = tries, delay_s, retriable
        self._slots = asyncio.Semaphore(concurrency)
        self._lanes: dict[Key, _Lane[Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = copy_context()
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def submit(self, key: Key, item: Item) -> Result:
        """Wait for the item's own result. A caller that is cancelled takes its item out if it is in no batch yet.

        Raises: Overloaded, Closed (both at once), WrongCount, and whatever `flush` raised or returned for it.
        """
        if self._closing:
            raise Closed("the batcher is closed")
        if self.stats.waiting + self.stats.flushing >= self._room:
            self.stats.refused += 1
            raise Overloaded(f"{self._room} items wait already")
        lane = self._lanes.get(key) or self._open(key)
        loop = asyncio.get_running_loop()
        entry = _Entry(item, loop.time(), loop.create_future())
        lane.entries[entry] = None
        self.stats.waiting += 1
        if len(lane.entries) >= self._most:
            lane.wake.set()
        try:
            result: Result = await entry.answer
        except asyncio.CancelledError:
            self._withdraw(lane, entry)
            raise
        return result

    async def close(self) -> None:
        """Flush what is there, then return. Refuses new items from now on."""
        self._closing = True
        for lane in self._lanes.values():
            lane.wake.set()
        while self._tasks:
            await asyncio.wait(self._tasks)  # not gather: that would end them if this call were cancelled

    def _open(self, key: Key) -> _Lane[Item]:
        lane = self._lanes[key] = _Lane()
        task = asyncio.get_running_loop().create_task(self._serve(key, lane), context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lane

    def _withdraw(self, lane: _Lane[Item], entry: _Entry[Item]) -> None:
        if entry in lane.entries:
            del lane.entries[entry]
            self.stats.waiting -= 1
            self.stats.withdrawn += 1
            lane.wake.set()  # the oldest may be another now, or none

    async def _serve(self, key: Key, lane: _Lane[Item]) -> None:
        """Flush one key until nothing waits under it."""
        try:
            while lane.entries:
                await self._ripen(lane)
                await self._handle(key, lane)
        finally:
            del self._lanes[key]
            self.stats.waiting -= len(lane.entries)  # none, unless the loop ends under it
            _abandon(lane.entries)

    async def _ripen(self, lane: _Lane[Item]) -> None:
        """Return when the lane is full, old, empty or to be closed."""
        loop = asyncio.get_running_loop()
        while lane.entries and len(lane.entries) < self._most and not self._closing:
            ripe_at = next(iter(lane.entries)).since + self._age_s
            if loop.time() >= ripe_at:
                return
            lane.wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ripe_at):
                    await lane.wake.wait()

    async def _handle(self, key: Key, lane: _Lane[Item]) -> None:
        """One batch, until each of its callers has an answer. It is taken late: who comes or leaves before counts."""
        batch: list[_Entry[Item]] = []
        taken = 0
        try:
            for attempt in range(1, self._tries + 1):
                async with self._slots:
                    if attempt == 1:
                        batch = self._take(lane)
                        taken = len(batch)
                    else:
                        batch = [entry for entry in batch if not entry.answer.done()]
                    if not batch:
                        return
                    results = await self._call(key, [entry.item for entry in batch])
                if attempt == self._tries or not isinstance(results, self._retriable):
                    break
                self.stats.retries += 1
                await asyncio.sleep(self._delay_s * 2.0 ** (attempt - 1))
            _answer(batch, results)
        finally:
            self.stats.flushing -= taken
            _abandon(batch)

    def _take(self, lane: _Lane[Item]) -> list[_Entry[Item]]:
        """The oldest entries; not those whose callers were cancelled a moment ago."""
        batch: list[_Entry[Item]] = []
        while lane.entries and len(batch) < self._most:
            entry, _ = lane.entries.popitem(last=False)
            self.stats.waiting -= 1
            if entry.answer.cancelled():
                self.stats.withdrawn += 1
            else:
                batch.append(entry)
        self.stats.flushing += len(batch)
        if batch:
            self.stats.sizes[len(batch)] += 1
        return batch

    async def _call(self, key: Key, items: list[Item]) -> Sequence[Result | Exception] | Exception:
        """What `flush` returned, or the error that it raised."""
        try:
            results = await self._flush(key, items)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # the loop ends
            return BatcherError("the flush was cancelled from within")
        except Exception as error:
            return error
        if not isinstance(results, Sequence):
            return WrongCount(f"flush returned {type(results).__name__}, not one result for each item")
        if len(results) != len(items):
            return WrongCount(f"flush returned {len(results)} results for {len(items)} items")
        return results


def _answer(batch: Sequence[_Entry[Any]], results: Sequence[Any] | Exception) -> None:
    """Tell each caller its result, or all of them the one error; not those who have left."""
    each = [results] * len(batch) if isinstance(results, Exception) else results
    for entry, result in zip(batch, each, strict=True):
        if entry.answer.done():
            continue
        if isinstance(result, StopIteration):  # no future takes one
            result = BatcherError(f"flush returned {result!r} for it")
        if isinstance(result, Exception):
            entry.answer.set_exception(result)
        else:
            entry.answer.set_result(result)


def _abandon(entries: Iterable[_Entry[Any]]) -> None:
    """Cancel callers that would never hear anything; nothing is done to those who have their answer."""
    for entry in entries:
        entry.answer.cancel()

"""Batches on a clock that jumps to the next timer, so that examples take no time and go the same way each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domains.thunderflow.batcher import Batcher, BatcherError, Closed, Overloaded, WrongCount

MOST, ROOM, CONCURRENCY, TRIES, AGE_S = 3, 7, 2, 3, 1.0


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps: when nothing is ready its clock jumps to the next timer."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers, ready = self._scheduled, self._ready  # type: ignore[attr-defined]
        if not ready and timers:
            self.now = max(self.now, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


class Away(Exception):
    """Retriable."""


class Wrong(Exception):
    """Not retriable."""


TROUBLES = [Away(), Wrong(), asyncio.CancelledError(), "count", "item"]


class Flusher:
    """Writes down what it is called with; answers `done <item>` after half a second, or fails as it was told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.done: list[tuple[str, int]] = []
        self.troubles: list[BaseException | str] = []
        self.busy: set[str] = set()

    async def __call__(self, key: str, items: list[int]) -> list[Any]:
        assert key not in self.busy, "batches of one key overlap"
        assert len(self.busy) < CONCURRENCY
        assert 0 < len(items) <= MOST
        self.busy.add(key)
        self.calls.append((key, list(items)))
        trouble = self.troubles.pop(0) if self.troubles else None
        try:
            await asyncio.sleep(0.5)
        finally:
            self.busy.discard(key)
        if isinstance(trouble, BaseException):
            raise trouble
        if trouble == "count":
            return ["one too few"] * (len(items) - 1)
        self.done += [(key, item) for item in items]
        return [ValueError(item) if trouble == "item" and not n else f"done {item}" for n, item in enumerate(items)]


class Batching(RuleBasedStateMachine):
    """Callers come, leave and wait in any order while flushes fail in any way."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = JumpingLoop()
        self.flusher = Flusher()
        self.batcher: Batcher[str, int, str] = Batcher(
            self.flusher, most=MOST, age_s=AGE_S, room=ROOM, concurrency=CONCURRENCY, tries=TRIES, delay_s=0.25,
            retriable=(Away,),
        )  # fmt: skip
        self.callers: dict[int, asyncio.Task[str]] = {}
        self.key_of: dict[int, str] = {}
        self.left: set[int] = set()
        self.refused: set[int] = set()

    def run(self, seconds: float = 0.0) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(key=st.sampled_from("abc"), count=st.integers(1, 5))
    def submit(self, key: str, count: int) -> None:
        for _ in range(count):
            item = len(self.callers)
            held = self.batcher.stats.waiting + self.batcher.stats.flushing
            self.key_of[item] = key
            self.callers[item] = self.loop.create_task(self.batcher.submit(key, item))
            self.run()
            if self.callers[item].done() and isinstance(self.callers[item].exception(), Overloaded):
                assert held == ROOM
                self.refused.add(item)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.run(seconds)

    @rule(
        trouble=st.sampled_from([Away(), Wrong(), asyncio.CancelledError(), "count", "item"]), times=st.integers(1, 3)
    )
    def fail(self, trouble: Any, times: int) -> None:
        self.flusher.troubles += [trouble] * times

    @precondition(lambda self: any(not task.done() for task in self.callers.values()))
    @rule(data=st.data(), settle=st.booleans())
    def leave(self, data: st.DataObject, settle: bool) -> None:
        item = data.draw(st.sampled_from([item for item, task in self.callers.items() if not task.done()]))
        self.callers[item].cancel()
        self.left.add(item)
        if settle:
            self.run()

    @invariant()
    def room_is_kept(self) -> None:
        assert 0 <= self.batcher.stats.waiting + self.batcher.stats.flushing <= ROOM

    def teardown(self) -> None:
        self.flusher.troubles.clear()
        self.loop.run_until_complete(self.batcher.close())
        self.run()
        try:
            self.check()
        finally:
            self.loop.close()

    def check(self) -> None:
        stats = self.batcher.stats
        assert (stats.waiting, stats.flushing) == (0, 0)
        assert asyncio.all_tasks(self.loop) == set(), "tasks are left"
        assert all(task.done() for task in self.callers.values()), "somebody has no answer"
        assert len(self.flusher.done) == len(set(self.flusher.done)), "something was done twice"
        tried = {item for _, items in self.flusher.calls for item in items}
        assert self.refused.isdisjoint(tried)
        assert stats.refused == len(self.refused)
        assert sum(size * n for size, n in stats.sizes.items()) == len(tried)
        assert stats.batches + stats.retries >= len(self.flusher.calls) >= stats.batches
        assert stats.withdrawn == len(self.callers) - len(tried) - len(self.refused)
        for item, task in self.callers.items():
            self.check_answer(item, task, (self.key_of[item], item) in self.flusher.done)
        for key in "abc":
            done = [item for of, item in self.flusher.done if of == key]
            assert done == sorted(done), "order of submission"

    def check_answer(self, item: int, task: asyncio.Task[str], done: bool) -> None:
        if item in self.left:
            assert task.cancelled()
            return
        error = task.exception()
        if error is None:
            assert done and task.result() == f"done {item}"
        elif isinstance(error, ValueError):
            assert done and error.args == (item,)
        else:
            assert isinstance(error, Away | Wrong | WrongCount | BatcherError)
            assert not done


TestBatching = Batching.TestCase
TestBatching.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def play(story: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(story())  # type: ignore[arg-type]


def make(flush: Any, **more: Any) -> Batcher[str, int, Any]:
    return Batcher(flush, **{"most": MOST, "age_s": AGE_S, "delay_s": 1.0, "retriable": (Away,), **more})


def clock() -> float:
    return asyncio.get_running_loop().time()


def test_a_key_is_flushed_when_it_is_full_or_its_oldest_is_old() -> None:
    async def story() -> None:
        calls = []

        async def flush(key: str, items: list[int]) -> list[int]:
            calls.append((key, items, clock()))
            return items

        async with make(flush) as batcher, asyncio.TaskGroup() as callers:
            for n in range(4):
                callers.create_task(batcher.submit("a", n))
            callers.create_task(batcher.submit("b", 9))
            await asyncio.sleep(0.4)
            callers.create_task(batcher.submit("b", 10))
        assert sorted(calls) == [("a", [0, 1, 2], 0.0), ("a", [3], 1.0), ("b", [9, 10], 1.0)]

    play(story)


def test_closing_flushes_what_is_there_at_once_and_then_refuses() -> None:
    async def story() -> None:
        flusher = Flusher()
        batcher = make(flusher)
        caller = asyncio.ensure_future(batcher.submit("a", 1))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Closed):
            await batcher.submit("a", 2)
        await closing
        assert (await caller, clock()) == ("done 1", 0.5)
        await batcher.close()

    play(story)


def test_tries_are_further_and_further_apart_and_the_last_error_is_everybody_s() -> None:
    async def story() -> None:
        at = []

        async def flush(key: str, items: list[int]) -> list[int]:
            at.append(clock())
            raise Away(len(at))

        async with make(flush, tries=4) as batcher:
            both = await asyncio.gather(batcher.submit("a", 1), batcher.submit("a", 2), return_exceptions=True)
        assert [repr(error) for error in both] == ["Away(4)", "Away(4)"]
        assert at == [1.0, 2.0, 4.0, 8.0]

    play(story)


def test_a_key_that_waits_for_its_next_try_holds_up_no_other() -> None:
    async def story() -> None:
        async def flush(key: str, items: list[int]) -> list[int]:
            if key == "bad" and clock() < 2.5:
                raise Away
            return items

        async with make(flush, concurrency=1, most=1) as batcher:
            bad = asyncio.ensure_future(batcher.submit("bad", 1))
            await asyncio.sleep(0.1)
            assert (await batcher.submit("good", 2), clock()) == (2, 0.1)
            assert await bad == 1

    play(story)


def test_one_who_leaves_during_a_flush_harms_nobody() -> None:
    async def story() -> None:
        flusher = Flusher()
        async with make(flusher) as batcher:
            callers = [asyncio.ensure_future(batcher.submit("a", n)) for n in range(MOST)]
            await asyncio.sleep(0.1)
            callers[1].cancel()
            assert await asyncio.gather(callers[0], callers[2]) == ["done 0", "done 2"]
        assert flusher.done == [("a", 0), ("a", 1), ("a", 2)]
        assert batcher.stats.withdrawn == 0

    play(story)


def test_one_who_leaves_between_two_tries_is_not_tried_again() -> None:
    async def story() -> None:
        flusher = Flusher()
        flusher.troubles = [Away()]
        async with make(flusher) as batcher:
            callers = [asyncio.ensure_future(batcher.submit("a", n)) for n in range(MOST)]
            await asyncio.sleep(1.0)
            callers[1].cancel()
            assert await asyncio.gather(callers[0], callers[2]) == ["done 0", "done 2"]
        assert flusher.calls == [("a", [0, 1, 2]), ("a", [0, 2])]

    play(story)


def test_a_flush_runs_in_the_context_of_the_batcher_not_of_who_came_first() -> None:
    actor = ContextVar("actor", default="nobody")

    async def story() -> None:
        async def flush(key: str, items: list[int]) -> list[str]:
            return [actor.get()]

        async with make(flush, most=1) as batcher:
            actor.set("ada")
            assert await batcher.submit("a", 1) == "nobody"

    play(story)


def test_when_the_loop_ends_nobody_waits_for_ever() -> None:
    callers = []

    async def story() -> None:
        async def flush(key: str, items: list[int]) -> list[int]:
            await asyncio.sleep(3600)
            return items

        batcher = make(flush)
        callers.extend(asyncio.ensure_future(batcher.submit("a", n)) for n in range(MOST + 1))
        await asyncio.sleep(2)

    play(story)
    assert all(caller.cancelled() for caller in callers)


def test_a_flush_that_returns_nothing_leaves_nobody_without_a_word() -> None:
    async def story() -> None:
        async def flush(key: str, items: list[int]) -> None:
            return None

        async with make(flush) as batcher:
            with pytest.raises(WrongCount, match="flush returned NoneType, not one result for each item"):
                await batcher.submit("a", 1)

    play(story)


def test_a_result_that_no_future_takes_is_an_error_of_the_batcher() -> None:
    async def story() -> None:
        async def flush(key: str, items: list[int]) -> list[Any]:
            return [StopIteration(7), "done 2"]

        async with make(flush) as batcher:
            one, two = await asyncio.gather(batcher.submit("a", 1), batcher.submit("a", 2), return_exceptions=True)
        assert (type(one), str(one), two) == (BatcherError, "flush returned StopIteration(7) for it", "done 2")

    play(story)


@pytest.mark.parametrize("wrong", [{"most": 0}, {"room": 0}, {"concurrency": 0}, {"tries": 0}, {"age_s": -1.0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        make(Flusher(), **wrong)


async def test_a_thousand_callers_on_a_real_clock() -> None:
    async def flush(key: int, items: Sequence[int]) -> list[int]:
        await asyncio.sleep(0.001)
        return [key * 1000 + item for item in items]

    async with Batcher(flush, most=20, age_s=0.002, room=1000) as batcher:
        wanted = [(n % 7, n) for n in range(1000)]
        assert await asyncio.gather(*[batcher.submit(k, n) for k, n in wanted]) == [k * 1000 + n for k, n in wanted]
    assert max(batcher.stats.sizes) == 20

"""The process that calls outside tools: one lasting loop for the network, beside one thread for the database.

The loop never waits for the database and the thread never for a server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from django.db import connection

from agents.engine.faults import AWAY
from mcp_server.outside import client
from mcp_server.outside.client import Failed
from mcp_server.outside.desk import Ask, Desk, Result, Round
from mcp_server.outside.listing import Look, Looked

logger = logging.getLogger(__name__)

IDLE_S = 0.5
"""Between two looks for work."""
AWAY_S = 0.5
END_S = 5.0
"""How long calls under way are waited for as the process ends; what is not done then somebody else does again."""

T = TypeVar("T")


class Service:
    """Calls outside tools and asks outside servers for theirs, until it is stopped."""

    def __init__(self) -> None:
        self.desk = Desk()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._calls: dict[asyncio.Task[None], Ask] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._looked: list[Looked] = []
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take up nothing more, and end soon."""
        self._stopping.set()
        self._woken.set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Serve until `stop`; or, to help a script, until nothing is due and nothing under way."""
        try:
            while not self._stopping.is_set():
                done = await self._round()
                under_way = self._calls or self._looks or self._results or self._looked
                if until_idle and done is not None and not under_way:
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE_S)
                self._woken.clear()
        finally:
            await self._end()

    async def _round(self) -> Round | None:
        """One round of the thread; None when the database is away: the desk keeps what was to be written."""
        results, self._results = self._results, []
        looked, self._looked = self._looked, []
        under_way = list(self._calls.values())
        try:
            done = await self._in_thread(lambda: self.desk.round(results, looked, under_way))
        except AWAY as error:
            logger.warning("the database is away: %s", error)
            await self._in_thread(lambda: connection.close())
            await asyncio.sleep(AWAY_S)
            return None
        for ask in done.asks:
            self._calls[asyncio.create_task(self._call(ask))] = ask
        for look in done.looks:
            task = asyncio.create_task(self._look(look))
            self._looks.add(task)
        return done

    async def _call(self, ask: Ask) -> None:
        started = time.perf_counter()
        given, failure = await _tried(
            client.call(ask.offer.server.target, ask.offer.name, ask.arguments, key=str(ask.call.id))
        )
        ms = round((time.perf_counter() - started) * 1000, 2)
        self._calls.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
        self._results.append(Result(ask, given, failure, ms))
        self._woken.set()

    async def _look(self, look: Look) -> None:
        found, failure = await _tried(client.tools(look.server.target))
        self._looks.discard(asyncio.current_task())
        self._looked.append(Looked(look.server, found, failure))
        self._woken.set()

    async def _end(self) -> None:
        self._stopping.set()
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_S)
        tasks = [*self._calls, *self._looks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._in_thread(lambda: self.desk.close(self._results, self._looked))
        except AWAY as error:
            logger.warning("the leases run out by themselves: %s", error)
        await self._in_thread(lambda: connection.close())
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _tried(asking: Coroutine[Any, Any, T]) -> tuple[T | None, Failed | None]:
    try:
        return await asking, None
    except Failed as failure:
        return None, failure
    except Exception as error:
        logger.exception("an outside server could not be asked")
        return None, Failed(client.SERVER_ERROR, f"{type(error).__name__}: {error}")

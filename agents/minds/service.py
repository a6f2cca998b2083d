"""The reasoner process: one lasting loop that calls models, beside one thread that talks to the database.

The loop never waits for the database and the thread never for a model. What comes back is gathered for a moment, so
that one round of the thread serves many agents.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import redis.asyncio
from django.conf import settings
from django.db import connection

from agents.engine.faults import AWAY
from agents.minds import hints
from agents.minds.calls import Ask, Result
from agents.minds.client import PERMANENT, Address, CallFailed, Client
from agents.minds.mind import MOST_IN_FLIGHT, Mind, Round

logger = logging.getLogger(__name__)

IDLE_S = 0.2
"""Between two looks for work, when nobody gives a hint."""
GATHER_SHARE, LEAST_GATHER_S, MOST_GATHER_S = 0.02, 0.002, 0.05
"""How long answers are gathered before they are applied together, as a share of what the last one took: nobody who
has waited for seconds minds, and the locks of zones are taken less often."""
AWAY_S = 0.5
"""Pause when the database is away."""

T = TypeVar("T")


class Service:
    """Serves agents who think, until it is stopped."""

    def __init__(self) -> None:
        self.mind = Mind()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mind")
        self._clients: dict[Address, Client] = {}
        self._calls: dict[asyncio.Task[None], Ask] = {}
        self._results: list[Result] = []
        self._gather_s = LEAST_GATHER_S
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End as soon as can be: calls under way are left, and others may take up what they were for."""
        self._stopping.set()
        self._woken.set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Serve until `stop`; or, to help a script, until nobody is due and no call is under way."""
        listener = asyncio.create_task(self._listen())
        try:
            while not self._stopping.is_set():
                done = await self._round()
                if until_idle and done is not None and not (self._calls or self._results or done.waiting):
                    return
                await self._pause(0.0 if done is not None and done.waiting else IDLE_S)
        finally:
            listener.cancel()
            await self._end()

    async def _round(self) -> Round | None:
        """One round of the thread; None when the database is away: the mind keeps what was to be written."""
        results, self._results = self._results, []
        try:
            done = await self._in_thread(lambda: self.mind.round(results, list(self._calls.values())))
        except AWAY as error:
            logger.warning("the database is away: %s", error)
            await self._in_thread(lambda: connection.close())
            await asyncio.sleep(AWAY_S)
            return None
        for ask in done.asks:
            self._calls[asyncio.create_task(self._call(ask))] = ask
        if done.stopped:
            self._cancel()
        return done

    async def _pause(self, seconds: float) -> None:
        """Until there is something to do, or it is time to look; then a moment, for more of it to come."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        if self._woken.is_set() and not self._stopping.is_set():
            await asyncio.sleep(self._gather_s)
        self._woken.clear()

    async def _call(self, ask: Ask) -> None:
        """Make one call and put down how it ended."""
        result = Result(ask)
        try:
            reply = await self._client(ask).ask(ask.body, timeout_s=ask.endpoint.timeout_s)
            result = Result(ask, reply=reply)
            self._gather_s = min(MOST_GATHER_S, max(LEAST_GATHER_S, GATHER_SHARE * reply.ms / 1000))
        except CallFailed as error:
            result = Result(ask, failure=error)
        except asyncio.CancelledError:
            if self._stopping.is_set():
                return  # given back with the lease
        except Exception as error:
            logger.exception("a call of %s failed", ask.endpoint.name)
            result = Result(ask, failure=CallFailed(PERMANENT, f"{type(error).__name__}: {error}"))
        finally:
            self._calls.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
        self._results.append(result)
        self._woken.set()

    def _client(self, ask: Ask) -> Client:
        """The endpoint's client: one for each address and key, kept for good."""
        address = ask.endpoint.address
        if address not in self._clients:
            self._clients[address] = Client(address, connections=MOST_IN_FLIGHT)
        return self._clients[address]

    def _cancel(self) -> None:
        for task in list(self._calls):
            task.cancel()

    async def _listen(self) -> None:
        """Hear hints; without Redis, work is found by looking."""
        while True:
            try:
                async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as server, server.pubsub() as channel:
                    await channel.subscribe(hints.CHANNEL)
                    async for _ in channel.listen():
                        self.mind.look_again()
                        self._woken.set()
            except (redis.RedisError, OSError) as error:
                logger.info("no hints for now: %s", error)
            await asyncio.sleep(1.0)

    async def _end(self) -> None:
        self._stopping.set()
        self._cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        try:
            await self._in_thread(self.mind.release)
        except AWAY as error:
            logger.warning("the leases run out by themselves: %s", error)
        await self._in_thread(lambda: connection.close())
        for client in self._clients.values():
            await client.close()
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

"""Threads in which what needs the database runs: some for calls, others for those that wait for a world."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
T = TypeVar("T")
CALLS, WAITS = 4, 16


class Threads:
    """Those of one event loop. Each has a connection to the database."""

    def __init__(self) -> None:
        self._calls = ThreadPoolExecutor(CALLS, thread_name_prefix="mcp")
        self._waits = ThreadPoolExecutor(WAITS, thread_name_prefix="mcp-waiting")
        self.waiting = 0
        """Calls that wait, or queue for it."""

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something short in a thread, in this context."""
        return await self._run(self._calls, _cleanly, function, *args, **kwargs)

    async def wait(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that may take long. Its connection is closed after it."""
        self.waiting += 1
        try:
            return await self._run(self._waits, _closing, function, *args, **kwargs)
        finally:
            self.waiting -= 1

    @property
    def crowded(self) -> bool:
        """Whether one more that waits would only queue."""
        return self.waiting >= WAITS

    async def _run(self, pool: ThreadPoolExecutor, how: Callable[..., T], *args: object, **kwargs: object) -> T:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, lambda: context.run(how, *args, **kwargs))

    def close(self) -> None:
        """Nothing more is begun."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._waits.shutdown(wait=False, cancel_futures=True)


def _cleanly(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


def _closing(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        connections.close_all()

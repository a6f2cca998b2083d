"""Several connections at once: real threads, each with database connections of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import psycopg
from django.db import connections

from domains import sql

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


class Threads:
    """Starts calls; each closes its thread's connections when it is done."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def start(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(_closing, call, *args, **kwargs)


@contextmanager
def threads(count: int = 8) -> Iterator[Threads]:
    """Up to `count` threads; waits for all of them at the end."""
    with ThreadPoolExecutor(count) as pool:
        yield Threads(pool)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls that begin together, each in a thread of its own. Returns their results in order, or raises."""
    together = Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        connections["default"].ensure_connection()
        together.wait(timeout=30)
        return call()

    with threads(len(calls)) as started:
        futures = [started.start(begin, call) for call in calls]
        return [future.result(timeout=60) for future in futures]


def break_connection() -> None:
    """End this thread's session from another one, as when PostgreSQL restarts."""
    here = sql.raw().info
    with psycopg.connect(here.dsn, password=here.password) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [here.backend_pid])


def wait_for_lock(count: int = 1) -> None:
    """Return once `count` other sessions of this database wait for a lock."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        sql.fetch_rows("SELECT pg_stat_clear_snapshot()")  # a transaction sees the sessions of its first look
        if sql.fetch_rows(WAITING)[0][0] >= count:
            return
    raise AssertionError(f"{count} sessions should wait for a lock and do not")


def _closing(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return call(*args, **kwargs)
    finally:
        connections.close_all()

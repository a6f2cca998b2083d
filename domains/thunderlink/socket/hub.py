"""What a web process has once for all its clients: threads for the database, feeds, limits, and chores each second."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import orjson
import redis.asyncio as redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import close_old_connections
from django.utils import timezone
from redis import RedisError

from domains.thunderflow import hints
from domains.thunderflow.context import afresh
from domains.thunderflow.faults import told
from domains.thundergate import tokens
from domains.thundergate.events import STREAM as SECURITY
from domains.thundergate.limits import Lots
from domains.thunderlink.socket import metrics, sources
from domains.thunderlink.socket.connection import REVOKED, Connection
from domains.thunderlink.socket.feeds import Feeds

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 4
"""Queries at once, of one web process's sockets; each has a connection to the database."""
CHORES_S, CHORE_S = 1.0, 5.0
"""How often, and how long one may take."""
STARTING: list[Callable[[Hub], object]] = []
"""What is called with each new hub: channels that look after something from the beginning."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do; how often, `domains.thundergate.limits` says."""

    connections: int = 100
    """Of one identity, in this process; 0: any number."""
    message_bytes: int = 65_536
    topics: int = 64
    in_flight: int = 64
    backlog_bytes: int = 1_000_000


class Hub:
    """Made in the event loop that it serves. Nothing here is for other threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits(**cast(dict[str, Any], settings.SOCKET))
        self.connections: set[Connection] = set()
        self._of = Counter[str]()
        """How many connections an identity has."""
        self.feeds = Feeds(self)
        self.rates = Lots()
        self.writing = asyncio.Semaphore(THREADS - 1)
        """Held while something may wait for locks: a thread is left for those who read."""
        self.services: dict[str, Any] = {}
        """What channels keep once a process, by name."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="socket")
        self._tasks: set[asyncio.Task[Any]] = set()
        self.chores: list[Callable[[], Coroutine[Any, Any, Any]]] = [self._look, self._revoke]
        """What is done each second; it may fail, and is tried again the next."""
        self._failing: set[Callable[[], Coroutine[Any, Any, Any]]] = set()
        self._closing: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        self.spawn(self._listen())
        self.spawn(self._chores())
        self.spawn(self._watch())

    def add(self, connection: Connection) -> None:
        """It is served from now on."""
        self.connections.add(connection)
        self._of[connection.identity] += 1
        metrics.connections.set(len(self.connections))

    def remove(self, connection: Connection) -> None:
        """It is gone."""
        self.connections.discard(connection)
        self._of[connection.identity] -= 1
        if not self._of[connection.identity]:
            del self._of[connection.identity]
        metrics.connections.set(len(self.connections))

    def is_full_for(self, identity: str) -> bool:
        """Whether somebody (`limits.of`) has as many connections here as they may."""
        return 0 < self.limits.connections <= self._of[identity]

    async def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that may wait for the database in a thread that has a connection of its own."""
        return await sync_to_async(_cleanly, thread_sensitive=False, executor=self._pool)(function, *args, **kwargs)

    def service(self, name: str, make: Callable[[], T]) -> T:
        """What channels share in this process, made when it is first asked for."""
        if name not in self.services:
            with afresh():  # it serves all, and is not the doing of who came first
                self.services[name] = make()
        return self.services[name]

    def at_end(self, close: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Have this awaited when the hub is closed."""
        self._closing.append(close)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let something run beside; what fails is logged."""
        with afresh():
            task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Call something after a while."""
        asyncio.get_running_loop().call_later(delay_s, call)

    async def close(self) -> None:
        """End what runs; clients are closed by the server."""
        for close in self._closing:
            await close()
        self.feeds.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a task of the socket failed", exc_info=error)

    # --- Running ---------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear hints; without Redis, feeds find what is new by looking each second."""
        while True:
            try:
                async with redis.Redis.from_url(settings.REDIS_URL) as server, server.pubsub() as channel:
                    await channel.subscribe(hints.CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            last = _last(message["data"])
                            self.feeds.hinted(last)
                            if SECURITY in last:  # who may no longer is also looked for each second
                                self.spawn(self._try(self._revoke))
            except (RedisError, OSError) as error:
                logger.info("no hints for now: %s", error)
                await asyncio.sleep(1.0)

    async def _chores(self) -> None:
        """Each second: feeds that missed a hint, tokens that hold no longer, and what channels look after."""
        while True:
            await asyncio.sleep(CHORES_S)
            for chore in list(self.chores):
                await self._try(chore)

    async def _watch(self) -> None:
        """Each second, whatever else waits: clients that stand still."""
        while True:
            await asyncio.sleep(CHORES_S)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.check(now)
            metrics.present.set(sum(len(connection.channels) for connection in self.connections))
            self.rates.sweep()

    async def _try(self, chore: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            async with asyncio.timeout(CHORE_S):
                await chore()
        except Exception as error:
            if chore not in self._failing:
                logger.warning("the socket's %s fails for now: %s", chore.__name__, told(error))
            self._failing.add(chore)
        else:
            self._failing.discard(chore)

    async def _look(self) -> None:
        streams = self.feeds.streams()
        self.feeds.looked(await self.database(sources.heads, streams) if streams else {})

    async def _revoke(self) -> None:
        """Close clients whose token, session or account holds no longer."""
        by_token = {c.claims.id for c in self.connections if c.claims}
        by_user = {c.user.pk for c in self.connections}
        if not by_user:
            return
        gone, disabled = await self.database(tokens.no_longer, by_token, by_user)
        ended = await self.database(_ended, {c.session_key for c in self.connections if c.session_key})
        for connection in list(self.connections):
            token_gone = connection.claims is not None and connection.claims.id in gone
            if token_gone or connection.user.pk in disabled or connection.session_key in ended:
                payload = {"reason": "token_revoked", "message": "what let you in holds no longer; sign in again"}
                connection.close(REVOKED, "phx_error", payload)


def _cleanly(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As a request would: connections that broke are opened anew."""
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


def _ended(session_keys: Collection[str]) -> set[str]:
    """Those of these sessions in which nobody is signed in any more."""
    if not session_keys:
        return set()
    rows = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    return set(session_keys) - set(rows.values_list("session_key", flat=True))


def _last(data: bytes) -> dict[str, int]:
    try:
        last = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        return {}
    return last if isinstance(last, dict) else {}


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def here() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        # What was loaded stays for good: to look through it for garbage stopped everybody for a quarter of a second.
        gc.collect()
        gc.freeze()
        _hubs[loop] = Hub()
        for start in STARTING:
            start(_hubs[loop])
    return _hubs[loop]


def sessions() -> int:
    """Clients of this process."""
    return sum(len(hub.connections) for hub in list(_hubs.values()))

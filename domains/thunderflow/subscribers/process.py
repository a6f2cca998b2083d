"""A follower process: a thread for each shard that it holds, and a watch over them that never waits for a handler.

Handlers share nothing but the process: one that is slow or fails holds up its own shard, one that hangs is left alone
in its thread, with its database session ended, and another thread goes on in its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection

from domains.ids import new_id
from domains.thunderflow import hints
from domains.thunderflow import queries as events
from domains.thunderflow.faults import AWAY, told
from domains.thunderflow.subscribers import leases, queries
from domains.thunderflow.subscribers.calls import Abandoned
from domains.thunderflow.subscribers.declared import Subscriber
from domains.thunderflow.subscribers.leases import RENEW_S, Held
from domains.thunderflow.subscribers.shard import Shard

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How often each shard looks when nobody gives a hint."""
DECLARE_S = 60.0
WATCH_S = 0.1
AWAY_S = 0.5
"""Pause when the database is away."""
STOP_S = 15.0
"""How long handlers may take to finish when the process is asked to end."""
MOST_HUNG = 16
"""Threads left alone after which the process ends, so that a fresh one takes its place."""


class TooManyHung(SystemExit):
    """Too many handlers hang in this process."""


class Worker(threading.Thread):
    """Works at one shard until it is asked to stop, its lease is lost, or it hangs."""

    def __init__(self, shard: Shard, *, paused: bool = False) -> None:
        super().__init__(name=f"follow {shard.name}", daemon=True)
        self.shard, self.paused = shard, paused
        self.stopping = False
        self.woken = threading.Event()

    def run(self) -> None:
        """Work, and wait for hints in between."""
        try:
            while not self.stopping and not self.shard.abandoned:
                if self.paused or not self._step():
                    self.woken.wait(POLL_S)
                    self.woken.clear()
        finally:
            connection.close()

    def _step(self) -> bool:
        try:
            self.woken.clear()
            return self.shard.run()
        except Abandoned:
            return False
        except AWAY as error:
            if not self.shard.abandoned:
                logger.warning("%s: the database is away: %s", self.shard.name, told(error))
        except BaseException:
            logger.exception("%s", self.shard.name)
        connection.close()
        time.sleep(AWAY_S)
        return False

    def stop(self) -> None:
        """End after what is under way."""
        self.stopping = True
        self.woken.set()


class Process:
    """Serves the shards that it holds, until it is stopped."""

    def __init__(self, subscribers: Sequence[Subscriber], *, may_work: Callable[[], bool] = lambda: True) -> None:
        """`may_work` is asked each second; while it says no, all of them rest."""
        self.id: UUID = new_id()
        self._may_work = may_work
        self.subscribers = {one.name: one for one in subscribers}
        self.workers: dict[tuple[UUID, int], Worker] = {}
        self.hung: list[Worker] = []
        self._leaving: list[Worker] = []
        self._declared_at = float("-inf")
        self._goal: int | None = None
        self._stopping = False

    def stop(self) -> None:
        """End as soon as what is under way is done. May be called from a signal's handler."""
        self._stopping = True

    def run(self, *, until_done: bool = False) -> None:
        """Serve until `stop`; or, to help a script, until what had happened at the start has been handled.

        Raises: TooManyHung.
        """
        threading.Thread(target=self._listen, name="event hints", daemon=True).start()
        looked = float("-inf")
        try:
            while not self._stopping:
                if time.monotonic() - looked > RENEW_S:
                    looked = time.monotonic()
                    if self._turn(greedy=until_done) and until_done and self._done():
                        return
                self._watch()
                time.sleep(WATCH_S)
        finally:
            self._end()

    def _done(self) -> bool:
        """Whether everybody who is not paused has come to where the log ended at the start, and holds nothing back."""
        if self._goal is None:
            self._goal = events.settled()
        mine = [one for one in queries.standings() if one.name in self.subscribers and not one.paused]
        return not self._may_work() or all(one.position >= self._goal and not one.parked for one in mine)

    def _turn(self, *, greedy: bool) -> bool:
        """Renew leases, and work at what they are for. Without the database, workers find out by themselves."""
        try:
            if time.monotonic() - self._declared_at > DECLARE_S:
                leases.declare(self.subscribers.values())
                self._settle_shards()
                self._declared_at = time.monotonic()
            self._hold(leases.turn(self.id, list(self.subscribers), greedy=greedy))
            return True
        except AWAY as error:
            logger.warning("the database is away: %s", error)
            connection.close()
            return False

    def _settle_shards(self) -> None:
        """Go by the number of shards that a subscription was begun with."""
        for name, count in leases.shards(list(self.subscribers)).items():
            if count != self.subscribers[name].shards:
                logger.warning(
                    "%s was begun with %d shards and keeps them; a subscriber of a new name can have %d",
                    name, count, self.subscribers[name].shards,
                )  # fmt: skip
                self.subscribers[name] = replace(self.subscribers[name], shards=count)

    def _hold(self, held: Sequence[Held]) -> None:
        """Begin what is new, end what is gone."""
        wanted = {(one.subscription_id, one.shard): one for one in held}
        resting = not self._may_work()
        for key, worker in list(self.workers.items()):
            if key not in wanted:
                worker.stop()
                self._leaving.append(worker)
            if key not in wanted or not worker.is_alive():
                del self.workers[key]
        for key, one in wanted.items():
            if key not in self.workers:
                self._start(key, Shard(self.subscribers[one.name], *key), paused=one.paused or resting)
            self.workers[key].paused = one.paused or resting
        self._leaving = [worker for worker in self._leaving if worker.is_alive()]

    def _start(self, key: tuple[UUID, int], shard: Shard, *, paused: bool) -> None:
        self.workers[key] = Worker(shard, paused=paused)
        self.workers[key].start()

    def _watch(self) -> None:
        """Replace workers that hang."""
        self.hung = [worker for worker in self.hung if worker.is_alive()]
        for key, worker in list(self.workers.items()):
            if (work := worker.shard.overdue()) is None:
                continue
            self.hung.append(worker)
            self._start(key, worker.shard.abandon(work), paused=worker.paused)
        if len(self.hung) > MOST_HUNG:
            raise TooManyHung(f"{len(self.hung)} handlers hang: this process ends, and another one takes over")

    def _listen(self) -> None:
        """Hear hints; without Redis, events are found by looking."""
        while not self._stopping:
            try:
                with redis.Redis.from_url(settings.REDIS_URL) as server, server.pubsub() as channel:
                    channel.subscribe(hints.CHANNEL)
                    while not self._stopping:
                        if channel.get_message(ignore_subscribe_messages=True, timeout=1.0) is not None:
                            self.wake()
            except (redis.RedisError, OSError) as error:
                logger.info("no hints for now: %s", error)
                time.sleep(1.0)

    def wake(self) -> None:
        """There may be something to do."""
        for worker in list(self.workers.values()):
            worker.woken.set()

    def _end(self) -> None:
        """Stop, and let others have each shard as soon as what is under way there is done."""
        self._stopping = True
        for worker in self.workers.values():
            worker.stop()
        deadline = time.monotonic() + STOP_S
        kept: set[tuple[UUID, int]] | None = None
        while time.monotonic() < deadline and (busy := self._busy()):
            if busy != kept:
                self._leave(busy)
            kept = busy
            time.sleep(WATCH_S)
        self._leave(set())
        connection.close()

    def _busy(self) -> set[tuple[UUID, int]]:
        """Shards at which something is still under way."""
        working = [worker.shard for worker in (*self.workers.values(), *self._leaving) if worker.is_alive()]
        return {(shard.subscription_id, shard.shard) for shard in working}

    def _leave(self, busy: set[tuple[UUID, int]]) -> None:
        """Let others have all but these."""
        try:
            leases.leave(self.id, but=busy)
        except AWAY as error:
            logger.warning("the leases run out by themselves: %s", error)
            connection.close()

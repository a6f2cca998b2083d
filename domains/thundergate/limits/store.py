"""Counting in Redis by one atomic script; without Redis, each process counts by itself and lets nobody wait for it.

So a lost Redis neither shuts the doors nor opens them wide: who asks may get as many times the rate as there are
processes, until it is back. Nothing leaves this module but keys that are digests: Redis learns no names.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from functools import cache
from hashlib import blake2b
from typing import Any

import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from prometheus_client import Counter

from domains.thundergate.access import Identity
from domains.thundergate.limits.rates import Rate, Verdict, decided, own_rate, rate, unlimited, weigh

logger = logging.getLogger(__name__)

asked = Counter("thunderline_limited_requests_total", "Requests that were counted", ["kind", "outcome"])
alone = Counter("thunderline_limits_without_redis_total", "Requests that a process counted by itself")

WAIT_S, AWAY_S = 0.25, 1.0
"""How long Redis is waited for, and for how long it is not asked again after that."""
PREFIX = "thunderline:limit:"
MOST_ALONE = 10_000
"""Identities that a process counts by itself; beyond, those that asked longest ago begin anew."""
LOT, LOT_S = 5, 1.0
"""How many are taken from Redis at once, to be used up here, and for how long they may be used."""

# Microseconds on Redis' clock, which all processes share. Returns allowed, rest_at - now.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, most, slack, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local start = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
-- A clock set back, or a rate changed meanwhile, locks nobody out for longer than a burst.
start = math.min(start, now + most)
local after = start + cost * interval
if after - now > most + slack then
    return {0, string.format('%.0f', start - now)}
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
return {1, string.format('%.0f', after - now)}
"""


def of(identity: Identity) -> str:
    """Whose requests are counted together: those of the key that was shown or that a token is from, or the user's."""
    return f"key:{identity.key_id}" if identity.key_id else f"user:{identity.user.pk}"


def take(identity: str, kind: str = "default", *, cost: int = 1, most: int | None = None) -> Verdict:
    """Count a request of somebody (`user:<id>`, `key:<id>`, `address:<ip>`). About 0.1 ms.

    With `most` a minute of its own, the kind is just a name. Raises: KeyError.
    """
    of = rate(kind) if most is None else own_rate(kind, most)
    if not of.most:
        return unlimited(of)
    key = PREFIX + kind + ":" + blake2b(identity.encode(errors="replace"), digest_size=16).hexdigest()
    verdict = _shared.take(key, of, cost) or _local.take(key, of, cost)
    asked.labels(kind, "allowed" if verdict.allowed else "refused").inc()
    return verdict


async def take_async(identity: str, kind: str = "default", *, cost: int = 1) -> Verdict:
    """The same for code that runs on a loop. Raises: KeyError."""
    return await sync_to_async(take, thread_sensitive=False)(identity, kind, cost=cost)


class Bucket:
    """One connection's count, in this process: a class whose settings are read once."""

    def __init__(self, kind: str) -> None:
        self.rate = rate(kind)
        self._rest_at = 0.0

    def take(self) -> Verdict:
        """Use one up if there is one."""
        if not self.rate.most:
            return unlimited(self.rate)
        self._rest_at, verdict = weigh(self._rest_at, time.monotonic(), self.rate)
        return verdict


class Lots:
    """For one event loop: what is asked many times a second is taken from Redis some at once, and used up here."""

    def __init__(self) -> None:
        self._lots: dict[tuple[str, str], tuple[int, float]] = {}

    async def take(self, identity: str, kind: str) -> Verdict:
        """Use one up. Raises: KeyError."""
        of = rate(kind)
        if not of.most:
            return unlimited(of)
        left, until = self._lots.get((kind, identity), (0, 0.0))
        now = time.monotonic()
        if left and now < until:
            self._lots[kind, identity] = (left - 1, until)
            return Verdict(True, of, left - 1, 0.0)
        lot = min(LOT, max(1, int(of.most) // 4))
        verdict = await take_async(identity, kind, cost=lot)
        if verdict.allowed:
            self._lots[kind, identity] = (lot - 1, now + LOT_S)
        elif lot > 1:
            verdict = await take_async(identity, kind)
        return verdict

    def sweep(self) -> None:
        """Forget what can be used no more."""
        now = time.monotonic()
        self._lots = {key: lot for key, lot in self._lots.items() if lot[1] > now}


class _Shared:
    """In Redis."""

    def __init__(self) -> None:
        self._away_until = 0.0

    def take(self, key: str, of: Rate, cost: int) -> Verdict | None:
        """None while Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            args = [*(int(each * 1e6) for each in (of.interval_s, of.ahead_s, of.slack_s)), cost]
            allowed, micros = _script()(keys=[key], args=args)
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + AWAY_S
            logger.warning("limits are counted by each process for itself: %s", error)
            return None
        return decided(bool(allowed), int(micros) / 1e6, of, cost)


class _Alone:
    """In this process."""

    def __init__(self) -> None:
        self._rest_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, of: Rate, cost: int) -> Verdict:
        """By the process's own clock."""
        now = time.monotonic()
        with self._lock:
            after, verdict = weigh(self._rest_at.pop(key, now), now, of, cost)
            self._rest_at[key] = after
            while len(self._rest_at) > MOST_ALONE:
                self._rest_at.popitem(last=False)
        alone.inc()
        return verdict


_shared, _local = _Shared(), _Alone()


@cache
def _script() -> Any:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S)
    return client.register_script(SCRIPT)


def forget() -> None:
    """Begin anew in this process, as after a change of settings. Used by tests."""
    global _shared, _local
    _shared, _local = _Shared(), _Alone()
    _script.cache_clear()

"""How many messages wait in a queue of the broker. Redis drops none by itself, however long ago they expired."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import redis
from django.conf import settings
from redis import RedisError

__all__ = ["RedisError", "lengths", "waiting"]


def waiting(queue: str) -> int:
    """Messages that no worker has taken yet."""
    return int(_redis().llen(queue))


WAIT_S = 0.25
"""How long who only wants to look waits for Redis."""


def lengths(queues: Sequence[str]) -> dict[str, int]:
    """Messages that wait in each of these queues. One round trip. Raises: RedisError, soon."""
    with (
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S) as client,
        client.pipeline(transaction=False) as asked,
    ):
        for name in queues:
            asked.llen(name)
        return dict(zip(queues, map(int, asked.execute()), strict=True))


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)

"""How many messages wait in a queue of the broker. Redis drops none by itself, however long ago they expired."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings


def waiting(queue: str) -> int:
    """Messages that no worker has taken yet."""
    return int(_redis().llen(queue))


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)

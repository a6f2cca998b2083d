"""A word to reasoner processes that there is something to do now. Nothing depends on it: they look by themselves."""

from __future__ import annotations

import logging
from functools import cache

import redis
from django.conf import settings

CHANNEL = "thunderline:minds"

logger = logging.getLogger(__name__)


def wake() -> None:
    """Wake them. Call it after commit. Never fails: without Redis they find the work within a moment by looking."""
    try:
        _redis().publish(CHANNEL, b"")
    except redis.RedisError as error:
        logger.warning("reasoners were not woken: %s", error)


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)

"""A process's way to Redis: sends scripts, knows whether Redis answers and whether it still knows what it was told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from domains.thunderlink.presence.errors import Away
from domains.thunderlink.presence.scripts import SCRIPTS, Call, Reply

HEAL_S = 1.5
"""How long nobody reads from a Redis that may have lost its data: all processes have told it again by then."""
TIMEOUT_S = 2.0

logger = logging.getLogger(__name__)


class Link:
    """`away`: the last answer was none. `doubts`: how often Redis may have lost what was known of it."""

    def __init__(self, url: str) -> None:
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            url, decode_responses=True, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self.away = False
        self.doubts = 0
        self.doubted = asyncio.Event()
        self.held_until = 0.0
        self._generation = ""

    @property
    def held(self) -> bool:
        """Whether what Redis says is not to be believed yet."""
        return asyncio.get_running_loop().time() < self.held_until

    def doubt(self) -> None:
        """Have everything told again, and nothing read until that is done."""
        self.doubts += 1
        self.held_until = asyncio.get_running_loop().time() + HEAL_S
        self.doubted.set()

    def saw(self, generation: str) -> None:
        """Another generation than before: Redis has lost its data."""
        if self._generation not in ("", generation):
            self.doubt()
        self._generation = generation

    async def send(self, calls: Sequence[Call]) -> list[Reply]:
        """Replies in the order of the calls, in one round trip. Raises: Away."""
        try:
            replies = await self._execute(calls)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                for script in SCRIPTS:
                    await self.redis.script_load(script.text)
                replies = await self._execute(calls)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        except (redis.RedisError, OSError) as error:
            self._is_away(error)
            raise Away(str(error)) from error
        self._is_back()
        for reply in replies:
            self.saw(reply[0])
        return replies

    async def _execute(self, calls: Sequence[Call]) -> list[Reply]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.execute_command(*call.words())
            return await pipe.execute(raise_on_error=False)

    def _is_away(self, error: Exception) -> None:
        if not self.away:
            logger.warning("presence: Redis is away, others are not seen for now: %s", error)
        self.away = True

    def _is_back(self) -> None:
        if self.away:
            logger.warning("presence: Redis is back")
            self.away = False
            self.doubt()

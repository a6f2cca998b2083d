"""Channels that show a source as it grows: from now on, or from the last number that a client knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from domains.thunderblock import guards
from domains.thunderlink.socket import metrics
from domains.thunderlink.socket.channel import Channel
from domains.thunderlink.socket.feeds import Feed, Subscription
from domains.thunderlink.socket.refusals import checked
from domains.thunderlink.socket.sources import Source

Seq = Annotated[int, Field(strict=True, ge=0, lt=1 << 63)]


class Joining(BaseModel):
    """What a client says when it joins."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    since: Seq | None = None
    """The last number it has: everything after that is sent."""
    batch: bool = Field(False, strict=True)
    """Lists of events instead of single ones."""
    caught_up: bool = Field(False, strict=True)
    """Be told, once, when everything that was missed has been sent."""


class Following(Channel):
    """Tells a client on joining `seq`, the number from which it goes on, and everything after that.

    `resync`: it has missed more than can be made up for, and `seq` is the number of the state that it is given.
    """

    Given: ClassVar[type[Joining]] = Joining

    given: Joining
    _feed: Feed | None = None
    _subscription: Subscription | None = None
    _catching_up: asyncio.Task[None] | None = None

    def source(self) -> tuple[str, Callable[[], Source]]:
        """What is shown, and a key that is the same for all to whom the same is shown."""
        raise NotImplementedError

    async def admit(self) -> tuple[dict[str, Any], int]:
        """Let the client in, or refuse by raising. Returns its state and the number that this is of."""
        await self.connection.hub.database(guards.require, self.domain)
        head = await self.connection.hub.database(self.source()[1]().head)
        return {}, head

    async def join(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Raises: Refusal, and what `admit` raises."""
        self.given = checked(self.Given, payload)
        hub = self.connection.hub
        state, head = await self.admit()
        since, resync = self.given.since, False
        if since is not None:
            source = self.source()[1]()
            oldest = await hub.database(source.oldest)
            resync = since > head or head - since > source.most_missed or since + 1 < (oldest or head + 1)
        if resync:
            metrics.resynced.labels("too old").inc()
        seq = head if since is None or resync else since
        self._subscription = Subscription(self.connection, self.topic, self.given.batch, seq, self.given.caught_up)
        return {"seq": seq, "resync": resync, **state}

    async def joined(self) -> None:
        """Begin to send; what was missed is sent beside, so that the client is heard meanwhile."""
        key, source = self.source()
        self._feed = self.connection.hub.feeds.take(key, self.topic, source)
        self._catching_up = asyncio.create_task(self._feed.attach(self._subscription))  # type: ignore[arg-type]

    async def left(self) -> None:
        """Send nothing more."""
        if self._feed is None or self._subscription is None:
            return
        feed, self._feed = self._feed, None
        if self._catching_up is not None:
            self._catching_up.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._catching_up
        feed.detach(self._subscription)
        self.connection.hub.feeds.leave(self.source()[0])

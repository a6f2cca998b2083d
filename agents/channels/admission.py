"""Whether those who were let in may still be there: accounts and worlds change while somebody watches."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model

from domains.thunderlink.socket.hub import Hub
from zones import queries
from zones.errors import AccessDenied

if TYPE_CHECKING:
    from agents.channels.zone import ZoneChannel

LOOK_S = 5.0


class Admission:
    """One a process; looks every five seconds, two queries a person."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._channels: set[ZoneChannel] = set()
        self._looked = time.monotonic()
        hub.chores.append(self.look_after)

    def add(self, channel: ZoneChannel) -> None:
        """It was let in."""
        self._channels.add(channel)

    def discard(self, channel: ZoneChannel) -> None:
        """It has left."""
        self._channels.discard(channel)

    async def look_after(self) -> None:
        """Put out who may not see a zone any more, and forget rights that somebody has lost."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        by_user: dict[Any, list[ZoneChannel]] = defaultdict(list)
        for channel in self._channels:
            by_user[channel.connection.user.pk].append(channel)
        for pk, channels in by_user.items():
            user, visible = await self._hub.database(_see, pk, {channel.zone_id for channel in channels})
            for channel in channels:
                if user is not None:
                    channel.connection.user = user
                if channel in self._channels and channel.zone_id not in visible:
                    await channel.connection.shut(channel, "access_denied", "you may not see this zone any more")


def fresh(connection: Any) -> Any:
    """The account as it is now: rights may be lost while a client is connected. Raises: AccessDenied. One query."""
    user = get_user_model().objects.filter(pk=connection.user.pk, is_active=True).first()
    if user is None:
        raise AccessDenied("the account is disabled")
    connection.user = user
    return user


def _see(pk: Any, zone_ids: Iterable[UUID]) -> tuple[Any, set[UUID]]:
    """The account as it is now, and which of these zones it may see."""
    user = get_user_model().objects.filter(pk=pk).first()
    if user is None or not user.is_active:
        return None, set()
    return user, queries.visible_among(zone_ids, user)


def of(hub: Hub) -> Admission:
    """That of a process."""
    return hub.service("admission", lambda: Admission(hub))

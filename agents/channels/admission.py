"""Whether those who were let in may still be there: accounts and worlds change while somebody watches."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model

from domains.thunderlink.socket.hub import Hub
from zones import queries, visibility
from zones.errors import AccessDenied

if TYPE_CHECKING:
    from agents.channels.zone import ZoneChannel

LOOK_S = 5.0

Watcher = tuple[Any, UUID]
"""A person's key, and a zone that it watches."""


class Admission:
    """One a process; looks every five seconds, with a few queries for each world that is watched."""

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
        channels = list(self._channels)
        users, seeing = await self._hub.database(_see, {_watcher(channel) for channel in channels})
        for channel in channels:
            connection = channel.connection
            connection.user = users.get(connection.user.pk, connection.user)
            if channel in self._channels and _watcher(channel) not in seeing:
                await connection.shut(channel, "access_denied", "you may not see this zone any more")


def _watcher(channel: ZoneChannel) -> Watcher:
    return channel.connection.user.pk, channel.zone_id


def fresh(connection: Any) -> Any:
    """The account as it is now: rights may be lost while a client is connected. Raises: AccessDenied. One query."""
    user = get_user_model().objects.filter(pk=connection.user.pk, is_active=True).first()
    if user is None:
        raise AccessDenied("the account is disabled")
    connection.user = user
    return user


def _see(watchers: Collection[Watcher]) -> tuple[dict[Any, Any], set[Watcher]]:
    """The accounts as they are now, by key, and who of these may still see what it watches."""
    users = get_user_model().objects.in_bulk([pk for pk, _ in watchers])
    worlds = queries.worlds_of(zone_id for _, zone_id in watchers)
    watching: dict[Any, set[Watcher]] = defaultdict(set)
    for pk, zone_id in watchers:
        if pk in users and zone_id in worlds:
            watching[worlds[zone_id]].add((pk, zone_id))
    seeing: set[Watcher] = set()
    for world, some in watching.items():
        people = visibility.seeing(world, {users[pk] for pk, _ in some})
        seeing |= {watcher for watcher in some if watcher[0] in people}
    return users, seeing


def of(hub: Hub) -> Admission:
    """That of a process."""
    return hub.service("admission", lambda: Admission(hub))

"""Clients that act for an agent: closed when it is suspended or archived, present where and as it is."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from agents.actions.moves import MOVABLE
from domains import sql
from domains.thundergate.tokens import Claims
from domains.thunderlink.socket.connection import REVOKED, Connection
from domains.thunderlink.socket.hub import STARTING, Hub
from zones.errors import AccessDenied

if TYPE_CHECKING:
    from agents.channels.zone import ZoneChannel

NOW = "SELECT id, lifecycle, zone_id, activity, x, y, z FROM pac_agents WHERE id = ANY(%s)"
SHOWN_EACH = 5
"""Looks between two at which others are shown what an agent does and where it stands: each change goes to all."""


class Now(NamedTuple):
    """An agent as it is."""

    lifecycle: str
    zone_id: UUID
    activity: str
    x: float
    y: float
    z: float


class Acting:
    """One a process; looks once a second, one query for all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._channels: set[ZoneChannel] = set()
        self._looks = itertools.count(1)
        hub.chores.append(self.look_after)

    def add(self, channel: ZoneChannel) -> None:
        """It acts for its agent from now on."""
        self._channels.add(channel)

    def discard(self, channel: ZoneChannel) -> None:
        """It does so no longer."""
        self._channels.discard(channel)

    async def look_after(self) -> None:
        """See what has become of the agents."""
        channels = list(self._channels)  # of who joins meanwhile nothing is known
        speaking = [(c, c.claims.agent_id) for c in self._hub.connections if c.claims and c.claims.agent_id]
        wanted = [*(channel.given.agent_id for channel in channels), *(agent_id for _, agent_id in speaking)]
        if not wanted:
            return
        found = {row[0]: Now(*row[1:]) for row in await self._hub.database(sql.fetch_rows, NOW, [wanted])}
        for connection, agent_id in speaking:
            _close_unless_movable(connection, found.get(agent_id))
        showing = next(self._looks) % SHOWN_EACH == 0
        await asyncio.gather(
            *(self._follow(channel, found.get(channel.given.agent_id), showing=showing) for channel in channels)
        )

    async def _follow(self, channel: ZoneChannel, now: Now | None, *, showing: bool) -> None:
        if channel not in self._channels or _close_unless_movable(channel.connection, now) or now is None:
            return
        if showing or f"zone:{now.zone_id}" != channel.here:
            await channel.show(now.zone_id, now.activity, {"x": now.x, "y": now.y, "z": now.z})


def _close_unless_movable(connection: Connection, now: Now | None) -> bool:
    """Close a client whose agent may not be acted for; returns whether that was so."""
    if now is not None and now.lifecycle in MOVABLE:
        return False
    payload = {"reason": "agent_suspended", "message": f"the agent is {now.lifecycle if now else 'deleted'}"}
    connection.close(REVOKED, "phx_error", payload)
    return True


def check_token(claims: Claims | None, agent_id: UUID) -> UUID | None:
    """The agent that a client's token is for, if it is for one. Raises: AccessDenied when that is another one."""
    token_agent = claims.agent_id if claims else None
    if token_agent is not None and token_agent != agent_id:
        raise AccessDenied("this token acts for another agent")
    return token_agent


def of(hub: Hub) -> Acting:
    """Those of a process."""
    return hub.service("acting", lambda: Acting(hub))


STARTING.append(of)

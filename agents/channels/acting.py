"""Clients that act for an agent: closed when it is suspended or archived, present where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from agents.actions.moves import MOVABLE
from domains import sql
from domains.thundergate.tokens import Claims
from domains.thunderlink.socket.connection import REVOKED, Connection
from domains.thunderlink.socket.hub import STARTING, Hub
from zones.errors import AccessDenied

if TYPE_CHECKING:
    from agents.channels.zone import ZoneChannel

WHERE = "SELECT id, zone_id, lifecycle FROM pac_agents WHERE id = ANY(%s)"


class Acting:
    """One a process; looks once a second, one query for all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._channels: set[ZoneChannel] = set()
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
        found = {row[0]: row[1:] for row in await self._hub.database(sql.fetch_rows, WHERE, [wanted])}
        for connection, agent_id in speaking:
            _close_unless_movable(connection, found.get(agent_id, (None, "deleted"))[1])
        for channel in channels:
            if channel not in self._channels:
                continue
            zone_id, lifecycle = found.get(channel.given.agent_id, (channel.zone_id, "deleted"))
            if not _close_unless_movable(channel.connection, lifecycle):
                await channel.moved(zone_id)


def _close_unless_movable(connection: Connection, lifecycle: str) -> bool:
    """Close a client whose agent may not be acted for; returns whether that was so."""
    if lifecycle in MOVABLE:
        return False
    payload = {"reason": "agent_suspended", "message": f"the agent is {lifecycle}"}
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

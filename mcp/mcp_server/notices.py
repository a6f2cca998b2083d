"""Change notices: what the event log tells becomes “this resource has changed”, once a second and address at most.

The log is looked at only while somebody listens: one query a look, whatever the number of listeners.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable
from typing import Any
from uuid import UUID

from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent, ToolsListChanged

from domains import sql
from domains.thunderflow import queries as thunderflow
from domains.thunderflow.context import afresh
from domains.thunderflow.faults import AWAY
from mcp_server import events, sdk, switches
from mcp_server.resources import address
from mcp_server.threads import Threads

logger = logging.getLogger(__name__)
LOOK_S = 1.0
MOST_AT_ONCE = 20_000
"""Events that one look goes through; a world that is busier than that a second is told of a little later."""

CHANGED = """
SELECT DISTINCT stream, payload ->> 'agent_id', topic LIKE '%%.changed' AND payload ->> 'what' IN ('created', 'deleted')
FROM events WHERE position > %s AND position <= %s
  AND (stream LIKE 'zone:%%' OR stream LIKE 'world:%%' OR topic = 'tools.setting_changed')
"""


class Notices(InMemorySubscriptionBus):
    """The SDK's bus, fed from the log; and sessions of the older protocol, which subscribe one address each time."""

    def __init__(self, threads: Threads) -> None:
        super().__init__()
        self._threads = threads
        self._hearing: set[object] = set()
        self._by_session: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
        self._position: int | None = None
        self._follower: asyncio.Task[None] | None = None

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Have a listener hear what changes from now on."""
        unsubscribe = super().subscribe(listener)
        self._hearing.add(unsubscribe)
        self._follow()

        def no_longer() -> None:
            unsubscribe()
            self._hearing.discard(unsubscribe)

        return no_longer

    def subscribe_session(self, session: Any, uri: str) -> None:
        """Have a session of the older protocol told of changes of one address."""
        self._by_session.setdefault(sdk.connection_of(session), set()).add(uri)
        self._follow()

    def unsubscribe_session(self, session: Any, uri: str) -> None:
        """No longer."""
        self._by_session.get(sdk.connection_of(session), set()).discard(uri)

    def _follow(self) -> None:
        if self._follower is None or self._follower.done():
            self._position = None
            with afresh():  # for all who listen
                self._follower = asyncio.create_task(self._look_on())

    async def _look_on(self) -> None:
        """Look each second for as long as anybody listens."""
        self._position = await self._threads.run(thunderflow.settled)
        while self._hearing or any(self._by_session.values()):
            try:
                for event in await self._threads.run(self._changes):
                    await self.publish(event)
                    await self._tell_sessions(event)
            except AWAY as error:
                logger.info("no notices for now: %s", error)
            await asyncio.sleep(LOOK_S)

    def _changes(self) -> list[ServerEvent]:
        """What has changed since the last look. In a thread."""
        after, upto = self._position or 0, thunderflow.settled()
        upto = min(upto, after + MOST_AT_ONCE)
        rows = sql.fetch_rows(CHANGED, [after, upto]) if upto > after else []
        self._position = max(after, upto)
        return _as_events(rows)

    async def _tell_sessions(self, event: ServerEvent) -> None:
        for connection, uris in list(self._by_session.items()):
            with contextlib.suppress(Exception):  # whoever is gone hears nothing
                if isinstance(event, ResourceUpdated) and event.uri in uris:
                    await connection.send_resource_updated(event.uri)
                elif isinstance(event, ResourcesListChanged) and uris:
                    await connection.send_resource_list_changed()
                elif isinstance(event, ToolsListChanged) and uris:
                    await connection.send_tool_list_changed()


def _as_events(rows: list[Any]) -> list[ServerEvent]:
    uris: dict[str, None] = {}
    told: list[ServerEvent] = []
    for stream, agent_id, lists_changed in rows:
        if stream == events.STREAM:
            switches.forget()
            told.append(ToolsListChanged())
            continue
        kind, _, key = stream.partition(":")
        uris[address(f"{kind}s", key)] = None
        if agent_id and _is_id(agent_id):
            uris |= {address("agents", agent_id): None, address("agents", agent_id, "ticks"): None}
        if lists_changed and ResourcesListChanged() not in told:
            told.append(ResourcesListChanged())
    return [*told, *(ResourceUpdated(uri=uri) for uri in uris)]


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False

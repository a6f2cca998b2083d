"""Who is in a zone by socket, and how many: `active_session_count` follows what Redis says.

Sockets track through `thunderlink.presence.Presences`, on `topic(zone_id)`. What is here is for code outside the event
loop; it asks Redis and must not be called in a transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from domains import sql
from domains.thunderlink.presence import Away, State, direct

PREFIX = "zone:"

# Those with sessions, and those asked for.
COUNTED = "SELECT id, active_session_count FROM pac_zones WHERE active_session_count > 0 OR id = ANY(%s)"

# Zones that somebody else holds are left for the next time.
SETTLE = """
WITH free AS (
    SELECT z.id, u.sessions FROM unnest(%s::uuid[], %s::int4[]) AS u (id, sessions) JOIN pac_zones z ON z.id = u.id
    WHERE z.active_session_count <> u.sessions ORDER BY z.id FOR NO KEY UPDATE OF z SKIP LOCKED)
UPDATE pac_zones z SET active_session_count = free.sessions FROM free WHERE z.id = free.id
"""

logger = logging.getLogger(__name__)


def topic(zone_id: UUID) -> str:
    """On which a zone's presence is tracked."""
    return f"{PREFIX}{zone_id}"


def track(zone_id: UUID, key: str, session: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    """A session is in a zone for eight seconds; the same again makes that longer. Whether it may is not asked here.

    Returns the metadata with its `phx_ref`. Raises: Away, ValueError (over 2 KB as JSON, over 200 characters).
    """
    return direct.track(topic(zone_id), key, session, meta)


def untrack(zone_id: UUID, session: str) -> None:
    """A session has left. Does nothing for one that was not there. Raises: Away."""
    direct.untrack(topic(zone_id), session)


def list(zone_id: UUID) -> State:
    """Who is in a zone: `{key: {"metas": […]}}`. Raises: Away."""
    return direct.list(topic(zone_id))


def count(zone_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Sessions in each zone. Raises: Away, also for five seconds after Redis lost its data."""
    topics = {topic(zone_id): zone_id for zone_id in zone_ids}
    return {topics[name]: sessions for name, sessions in direct.count(topics).items()}


def follow_counts(zone_ids: Iterable[UUID] = ()) -> int:
    """Bring `active_session_count` to what Redis says: of these zones, of all with sessions and of all that had some.

    Two statements, the second only when something differs; zones that somebody holds are left out. When Redis cannot be
    asked nothing changes. Returns how many zones it changed.
    """
    try:
        wanted = {*zone_ids, *_occupied()}
        stored = dict(sql.fetch_rows(COUNTED, [[*wanted]]))
        counts = count(stored)
    except Away as error:
        logger.debug("sessions were not counted: %s", error)
        return 0
    different = {zone_id: sessions for zone_id, sessions in counts.items() if sessions != stored[zone_id]}
    if not different:
        return 0
    return sql.execute(SETTLE, [[*different], [*different.values()]])


def _occupied() -> Iterable[UUID]:
    """Zones in which somebody is, or was a moment ago. Raises: Away."""
    for name in direct.topics():
        if name.startswith(PREFIX):
            try:
                yield UUID(name.removeprefix(PREFIX))
            except ValueError:
                continue

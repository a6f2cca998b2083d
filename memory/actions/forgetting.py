"""Ending what is remembered: closing its validity, or removing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from memory import metrics
from memory.errors import NoSuchMemory
from memory.events import STREAM, Forgotten

LOCK = """
SELECT id FROM memory_nodes WHERE agent_id = %s AND id = ANY(%s)
ORDER BY agent_id, content_hash, valid_to FOR UPDATE
"""

# Should the same text have been closed at that very instant already, this one ends a moment later.
CLOSE = """
UPDATE memory_nodes m SET updated_at = now(), valid_to = %(at)s + (
    SELECT count(*) FROM memory_nodes o WHERE o.agent_id = m.agent_id AND o.content_hash = m.content_hash
    AND o.id <> m.id AND o.valid_to >= %(at)s AND o.valid_to < %(at)s + interval '1 millisecond'
) * interval '1 microsecond'
WHERE m.id = ANY(%(ids)s) AND (m.valid_to IS NULL OR m.valid_to > %(at)s)
  AND coalesce(m.valid_from, m.inserted_at) <= %(at)s
"""

TIES = "DELETE FROM memory_edges WHERE source_id = ANY(%(ids)s) OR target_id = ANY(%(ids)s)"
NODES = "DELETE FROM memory_nodes WHERE id = ANY(%(ids)s)"
# What hangs on memories and entities goes with them in the database itself.
OF_A_WORLD = (
    """DELETE FROM memory_edges WHERE source_id IN (
           SELECT m.id FROM memory_nodes m JOIN pac_agents a ON a.id = m.agent_id WHERE a.world_id = %s)""",
    """DELETE FROM memory_unlinked WHERE memory_id IN (
           SELECT m.id FROM memory_nodes m JOIN pac_agents a ON a.id = m.agent_id WHERE a.world_id = %s)""",
    *(
        f"DELETE FROM {table} WHERE agent_id IN (SELECT id FROM pac_agents WHERE world_id = %s)"
        for table in (
            "memory_facts",
            "memory_entities",
            "memory_nodes",
            "memory_upkeep",
            "memory_recalls",
            "memory_health",
        )
    ),
    "DELETE FROM memory_health_worlds WHERE world_id = %s",
)
TOLD = 200
"""Ids that one event carries."""


def close(agent_id: UUID, ids: Collection[UUID], *, at: datetime) -> int:
    """Let memories hold no longer from `at` on; `as_of` an earlier instant they are still found.

    Those that end before or begin later are left as they are. Returns how many were closed. Needs an open transaction.
    """
    sql.require_transaction("closing memories")
    mine = _lock(agent_id, ids)
    return sql.execute(CLOSE, {"ids": mine, "at": at}) if mine else 0


def forget(agent_id: UUID, ids: Collection[UUID], *, by: str, reason: str) -> int:
    """Remove memories of an agent with their ties, and tell of it. Needs an open transaction.

    Raises: NoSuchMemory when one is not there or is another's; nothing is removed then.
    """
    sql.require_transaction("forgetting memories")
    wanted = set(ids)
    mine = _lock(agent_id, wanted)
    if missing := wanted.difference(mine):
        raise NoSuchMemory(f"the agent has no memory {min(missing)}")
    remove(agent_id, {reason: mine}, by=by)
    return len(mine)


def forget_world(world_id: UUID) -> None:
    """Remove all that the agents of a world remember, and what is known of it, before they are removed themselves.

    Tells no event: whoever removes a world does. Needs an open transaction.
    """
    sql.require_transaction("forgetting a world")
    for statement in OF_A_WORLD:
        sql.execute(statement, [world_id])


def remove(agent_id: UUID, ids_by_reason: Mapping[str, Sequence[UUID]], *, by: str) -> None:
    """Remove memories that are locked, each for its reason, and tell of it: three statements, and the events.

    Needs the transaction in which they were locked.
    """
    sql.require_transaction("removing memories")
    gone = [one for ids in ids_by_reason.values() for one in ids]
    if not gone:
        return
    sql.execute(TIES, {"ids": gone})
    sql.execute(NODES, {"ids": gone})
    transaction.on_commit(lambda: metrics.forgotten.inc(len(gone)))
    told = [
        NewEvent(STREAM, Forgotten.topic, Forgotten(agent_id=agent_id, memories=part, reason=reason), actor=by)
        for reason, ids in ids_by_reason.items()
        for start in range(0, len(ids), TOLD)
        if (part := list(ids[start : start + TOLD]))
    ]
    publish_many(told)


def _lock(agent_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    return [row[0] for row in sql.fetch_rows(LOCK, [agent_id, list(ids)])] if ids else []

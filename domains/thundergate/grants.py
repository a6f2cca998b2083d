"""Who may read what agents remember: whoever governs them, an agent its own, and who was granted it.

Each look into memories that are not one's own is told as `system.memories_read`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thundergate import events
from domains.thundergate.access import READ_ALL_MEMORIES, Identity
from domains.thundergate.errors import Forbidden, Invalid, NotFound
from domains.thundergate.models import MemoryGrant, User

GRANT = """
INSERT INTO memory_grants (id, user_id, agent_id, granted_by, granted_at, expires_at)
SELECT %(id)s, u.id, %(agent)s, %(by)s, statement_timestamp(), statement_timestamp() + make_interval(secs => %(ttl)s)
FROM users u WHERE u.id = %(user)s AND u.is_active
ON CONFLICT (user_id, agent_id) DO UPDATE
SET granted_by = excluded.granted_by, granted_at = excluded.granted_at, expires_at = excluded.expires_at
RETURNING expires_at
"""


def grant(user: User, agent_id: UUID, *, days: float | None = None, by: str) -> datetime | None:
    """Let somebody read an agent's memories for so many days; None: until it is ended. Returns until when.

    Whether who grants it governs the agent is the caller's to check. Raises: Invalid.
    """
    if days is not None and not 0 < days <= 3660:
        raise Invalid("days: a grant lasts for more than 0 and at most 3,660 days", field="days")
    values = {"id": new_id(), "user": user.pk, "agent": agent_id, "by": by, "ttl": days and days * 86_400}
    with transaction.atomic():
        rows = sql.fetch_rows(GRANT, values)
        if not rows:
            raise Invalid(f"user: the account {user.get_username()} is disabled", field="user")
        payload = events.MemoryGranted(user_id=user.pk, agent_id=agent_id, expires_at=rows[0][0])
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))
    found: datetime | None = rows[0][0]
    return found


def end(user: User, agent_id: UUID, *, by: str) -> None:
    """End a grant. Raises: NotFound."""
    with transaction.atomic():
        deleted, _ = MemoryGrant.objects.filter(user=user, agent_id=agent_id).delete()
        if not deleted:
            raise NotFound(f"{user.get_username()} has no grant for the agent {agent_id}")
        payload = events.MemoryGrantEnded(user_id=user.pk, agent_id=agent_id)
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))


def granted(user: User, agent_ids: Collection[UUID]) -> set[UUID]:
    """For which of these agents somebody has a grant that is in force. One query."""
    return set(granted_to(user).filter(agent_id__in=agent_ids))


def granted_to(user: User) -> QuerySet[MemoryGrant, UUID]:
    """Agents for which somebody has a grant that is in force, for filters of queries."""
    rows = MemoryGrant.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), user=user)
    return rows.order_by().values_list("agent_id", flat=True)


def why(identity: Identity, agent_id: UUID, *, owns: bool) -> str | None:
    """By what right somebody may read an agent's memories: `own`, `grant`, `operator`; None: they may not.

    `owns`: they govern the agent. A key for one agent reads that agent's memories, and others' with a grant only.
    """
    return _why(identity, [agent_id], {agent_id} if owns else set())[agent_id]


def _why(identity: Identity, agent_ids: Collection[UUID], own: Collection[UUID]) -> dict[UUID, str | None]:
    """Of each agent. One query, and those of permissions."""
    if not identity.scoped("memory:read"):
        return dict.fromkeys(agent_ids)
    if identity.agent_id is not None:
        own = {identity.agent_id}
    others = [agent_id for agent_id in agent_ids if agent_id not in own]
    lent = granted(identity.user, others) if others else set()
    operates = bool(set(others) - lent) and _reads_all(identity)
    rest = "operator" if operates else None
    return {agent_id: "own" if agent_id in own else "grant" if agent_id in lent else rest for agent_id in agent_ids}


def _reads_all(identity: Identity) -> bool:
    return identity.agent_id is None and bool(identity.user.has_perm(READ_ALL_MEMORIES))


def check(identity: Identity, agent_ids: Collection[UUID], *, own: Collection[UUID], door: str) -> None:
    """Let somebody read the memories of these agents, all or none, and tell of those that are not their own.

    `own`: those of them that they govern. Raises: Forbidden; nothing is told then.
    """
    rights = _why(identity, agent_ids, own)
    if refused := sorted(str(agent_id) for agent_id, right in rights.items() if right is None):
        raise Forbidden(
            f"to read what the agent {', '.join(refused)} remembers takes a grant of who governs it"
            if identity.scoped("memory:read")
            else "this needs the scope memory:read, which what you showed does not have"
        )
    told = [
        events.MemoriesRead(user_id=identity.user.pk, agent_id=agent_id, why=right, door=door)
        for agent_id, right in rights.items()
        if right not in (None, "own")
    ]  # fmt: skip
    if told:
        with transaction.atomic():
            publish_many([NewEvent(events.STREAM, one.topic, one, actor=identity.actor) for one in told])

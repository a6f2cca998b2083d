"""Lives of some length, for tests of upkeep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from domains import sql
from memory import actions as vault
from memory.actions import NewMemory
from memory.models import AgentUpkeep, MemoryEdge, MemoryNode
from memory.upkeep import stints
from memory.upkeep.stints import Done
from tests.integration.memory.graph.making import NOW, link_all

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

OUTING = [
    "Ann met Bo at the old harbour.",
    "They repaired the old boat with pitch and rope.",
    "The keeper of the lighthouse warned them of a storm.",
    "Ann and Bo sailed the boat home before the storm.",
    "Bo slept in the boathouse.",
    "Rain fell all night.",
]


def remember_all(agent_id: UUID, contents: Sequence[str], *, at: datetime = NOW, **fields: Any) -> list[UUID]:
    """Stored a minute apart, from an instant on."""
    memories = [NewMemory(agent_id, text, at=at + n * MINUTE, **fields) for n, text in enumerate(contents)]
    with transaction.atomic():
        return [one for one in vault.store_many(memories) if one is not None]


def care(agent_id: UUID, now: datetime = NOW, **options: Any) -> Done:
    """Link what is new, and visit until nothing is left."""
    link_all()
    done = Done()
    for _ in range(20):
        visited = stints.visit(agent_id, now=now, wait=True, **options)
        more, visited.more = visited.more, False
        done.add(visited)
        if not more:
            return done
    raise AssertionError("looking after an agent should come to an end")


def contents(agent_id: UUID) -> list[str]:
    found = MemoryNode.objects.filter(agent=agent_id).order_by("inserted_at", "id")
    return list(found.values_list("content", flat=True))


def summaries(agent_id: UUID) -> list[Any]:
    found = MemoryNode.objects.filter(agent=agent_id, tags__contains=["summary"])
    return list(found.defer("embedding").order_by("inserted_at"))


def parts(summary_id: UUID) -> set[UUID]:
    found = MemoryEdge.objects.filter(source=summary_id, relation="hierarchical")
    return set(found.values_list("target_id", flat=True))


def forgotten() -> list[tuple[str, list[str]]]:
    """Reasons and ids of what was removed, in order."""
    rows = sql.fetch_rows("SELECT payload FROM events WHERE topic = 'memory.forgotten' ORDER BY position")
    return [(payload["reason"], payload["memories"]) for (payload,) in rows]


def overdue() -> None:
    """Have everybody looked after at once, episodes and all."""
    AgentUpkeep.objects.update(due_at=NOW - DAY, settled_at=None)

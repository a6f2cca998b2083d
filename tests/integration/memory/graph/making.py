"""Memories, ties and clocks for tests of the graph."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.ids import new_id
from memory import actions as vault
from memory.actions import NewMemory
from memory.graph import actions
from tests.factories.worlds import make_world

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def make_agents(count: int = 2, **fields: Any) -> list[UUID]:
    return list(make_world(agents=count, **fields).agents.order_by("ordinal").values_list("pk", flat=True))


def remember(agent_id: UUID, *contents: str, **fields: Any) -> list[UUID]:
    """Each stored by itself, as by one tick after the other."""
    found = []
    for content in contents:
        with transaction.atomic():
            found += vault.store_many([NewMemory(agent_id, content, **fields)])
    return [one for one in found if one is not None]


def link_all(**fields: Any) -> int:
    """Link what is not linked yet. Returns how many memories that were."""
    linked = 0
    while found := actions.link_new(**fields).memories:
        linked += found
    return linked


def tie(*ties: tuple[UUID, UUID] | tuple[UUID, UUID, float], relation: str = "conceptual", at: datetime = NOW) -> None:
    """Edges as rows, without the rules."""
    columns = {
        "id": "uuid", "source_id": "uuid", "target_id": "uuid", "relation": "text", "strength": "float8",
        "inserted_at": "timestamptz", "updated_at": "timestamptz",
    }  # fmt: skip
    rows = [(new_id(), one[0], one[1], relation, one[2] if len(one) > 2 else 0.5, at, at) for one in ties]
    with transaction.atomic():
        sql.copy("memory_edges", columns, rows)


def edges() -> dict[tuple[UUID, UUID, str], float]:
    rows = sql.fetch_rows("SELECT source_id, target_id, relation, strength FROM memory_edges")
    return {(source, target, relation): strength for source, target, relation, strength in rows}


def pairs(relation: str, found: Iterable[tuple[UUID, UUID, str]] | None = None) -> set[tuple[UUID, UUID]]:
    return {(source, target) for source, target, its in (edges() if found is None else found) if its == relation}


def one_number(query: str, *params: object) -> int:
    ((number,),) = sql.fetch_rows(query, params)
    return int(number)

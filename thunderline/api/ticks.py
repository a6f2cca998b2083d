"""`/agents/<id>/ticks`: the record of every tick of an agent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from rest_framework.response import Response

from agents import queries
from thunderline.api import agents as agent_doors
from thunderline.api import pages, problems, requests
from thunderline.api import zones as zone_doors
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import reply

EXAMPLE = {
    "id": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e31", "agent_id": agent_doors.EXAMPLE_ID,
    "zone_id": zone_doors.EXAMPLE_ID, "tick_number": 40, "world_tick": 1190, "at": "2026-05-31T12:19:50Z",
    "action": "explore", "reasoning": "Curious, and not tired.", "narrative": "Ada walked along the quay.",
    "confidence": 0.71, "decision": {"alternatives": []}, "review": {"verdict": "allow"},
    "stat_changes": {"energy": -2.0}, "state_changes": {}, "memories": [], "processing_ms": 0.21,
    "stage_ms": {"decide": 0.05}, "usage": None, "error": None, "state_hash": "5f2c1a0b9d8e7f60",
}  # fmt: skip


class Tick(BaseModel):
    """One tick. What a JSON field holds is as the engine wrote it; `memories` are ids."""

    id: UUID
    agent_id: UUID
    zone_id: UUID
    tick_number: int
    world_tick: int
    at: datetime
    action: str
    reasoning: str
    narrative: str
    confidence: float
    decision: Any
    review: Any
    stat_changes: Any
    state_changes: Any
    memories: Any
    processing_ms: float
    stage_ms: Any
    usage: Any
    error: str | None
    state_hash: str


class TickPage(pages.Page[Tick]):
    """Ticks, newest first."""


def _shape(log: Any) -> Tick:
    alike = set(Tick.model_fields) - {"at", "processing_ms", "state_hash"}
    return Tick.model_construct(
        **{name: getattr(log, name) for name in alike}, at=log.inserted_at, processing_ms=log.processing_time,
        state_hash=bytes(log.state_hash).hex(),
    )  # fmt: skip


class Ticks(Door):
    domain = "thunderpac"

    @operation(
        "ticks_list", "An agent's ticks", tag="ticks", scope="agents:read", ids={"agent_id": agent_doors.EXAMPLE_ID},
        query=requests.Pages, answer=TickPage, shows={"results": [EXAMPLE], "next": None}, errors=[422],
        asks={"limit": 20},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, query: requests.Pages) -> Response:
        """Newest first; what retention let go is not there."""
        agent_doors.visible(request, agent_id)
        key = pages.key_of(query.cursor, int)
        found = queries.ticks(agent_id, limit=query.limit + 1, before=key[0] if key else None)
        return reply(pages.page(request, found, query.limit, key=lambda log: (log.tick_number,), shape=_shape))


class OneTick(Door):
    domain = "thunderpac"

    @operation(
        "ticks_read", "A tick", tag="ticks", scope="agents:read", answer=Tick, shows=EXAMPLE,
        ids={"agent_id": agent_doors.EXAMPLE_ID,
             "number": {"schema": {"type": "integer", "minimum": 1, "maximum": requests.BIGGEST}, "example": 40}},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, number: int) -> Response:
        """By its number."""
        agent_doors.visible(request, agent_id)
        found = queries.ticks(agent_id, limit=1, before=number + 1) if number < requests.BIGGEST else []
        if not found or found[0].tick_number != number:
            raise problems.not_found("tick")
        return reply(_shape(found[0]))

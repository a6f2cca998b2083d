"""What clients push into zones: limited, gathered for a moment, applied a zone at a time, answered after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agents.actions.inputs import Input, apply_inputs
from domains.thunderblock import guards
from domains.thunderflow.batcher import Batcher
from domains.thunderflow.faults import AWAY
from domains.thunderlink.socket import metrics
from domains.thunderlink.socket.hub import THREADS, Hub
from domains.thunderlink.socket.refusals import Refusal

COUNTED = {"push": "pushes", "broadcast": "broadcasts in this zone"}
"""What the limits count, as clients are told of it."""
MOST, AGE_S, ROOM = 100, 0.01, 2000
"""Pushes applied at once, how long the first of them waits for others, and how many may be unanswered in a process."""


class Pushes:
    """One a process. Pushes of one client are applied in the order in which they came."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._batcher: Batcher[UUID, Input, dict[str, Any]] = Batcher(
            self._flush, most=MOST, age_s=AGE_S, room=ROOM, concurrency=THREADS
        )
        hub.at_end(self._batcher.close)

    async def apply(self, zone_id: UUID, one: Input, order: asyncio.Lock) -> dict[str, Any]:
        """Wait for the answer. `order` is the client's. Raises: Refusal, Overloaded, AgentError, ZoneError."""
        async with order:
            await self._check_rate(zone_id, one)
            answer = asyncio.ensure_future(self._batcher.submit(zone_id, one))
        return await answer

    async def _check_rate(self, zone_id: UUID, one: Input) -> None:
        whose = f"agent:{one.agent_id}" if one.agent_id else f"user:{one.user.pk}"
        asked = [(whose, "push"), *([(f"zone:{zone_id}", "broadcast")] if one.verb == "broadcast" else [])]
        for identity, kind in asked:
            verdict = await self._hub.rates.take(identity, kind)
            if not verdict.allowed:
                raise Refusal("rate_limited", f"too many {COUNTED[kind]}: {verdict.rate} are allowed; slow down")

    async def _flush(self, zone_id: UUID, batch: list[Input]) -> Sequence[dict[str, Any] | Exception]:
        metrics.push_batches.observe(len(batch))
        try:
            async with self._hub.writing:
                return await self._hub.database(_apply, zone_id, batch)
        except AWAY as error:
            # Not again: whether it was committed before the connection broke, nobody can tell.
            message = "the database did not answer; look whether it was done before you try again"
            raise Refusal("unavailable", message) from error


def _apply(zone_id: UUID, batch: Sequence[Input]) -> Sequence[dict[str, Any] | Exception]:
    guards.require("thundergrid")
    return apply_inputs(zone_id, batch)


def of(hub: Hub) -> Pushes:
    """Those of a process."""
    return hub.service("pushes", lambda: Pushes(hub))

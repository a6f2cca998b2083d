"""Whether agents may be acted for. Agents are another app's: it says here how that is found out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from domains.thundergate.errors import AgentResting

Ask = Callable[[Collection[UUID]], Mapping[UUID, str]]
_ask: list[Ask] = []


def ask(refusals: Ask) -> None:
    """Have this asked why some of these agents may not be acted for."""
    _ask[:] = [refusals]


def resting(agent_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Those of some agents that may not be acted for, and why. One query, none for none."""
    return {agent_id: why for refusals in _ask for agent_id, why in refusals(agent_ids).items()} if agent_ids else {}


def check(agent_id: UUID | None) -> None:
    """Raises: AgentResting when the agent may not be acted for. One query, none without an agent."""
    if agent_id is not None and (found := resting([agent_id])):
        raise AgentResting(found[agent_id])

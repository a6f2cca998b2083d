"""Who an agent is, for a redaction or an export of all that is held about it."""

from __future__ import annotations

from agents.models import Agent
from domains.redaction import Subject, Words
from domains.redaction.holdings import AGENT
from zones import queries as zones
from zones.events import world_stream, zone_stream


def subject(agent: Agent) -> Subject:
    """An agent by its id and its name, which counts in its world. One query. Raises: BadName."""
    streams = [world_stream(agent.world_id), *(zone_stream(one) for one in zones.ids_of_world(agent.world_id))]
    labels = (f"agent:{agent.name}", f"agent:{agent.name}@{agent.world.name}")
    return Subject(
        AGENT, Words([agent.name]), agent_id=agent.pk, world_id=agent.world_id, streams=tuple(streams), labels=labels
    )

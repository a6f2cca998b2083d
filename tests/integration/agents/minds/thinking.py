"""Agents who think, an endpoint to ask, and reasoner processes run here and now."""

import asyncio
from typing import Any

from agents import actions
from agents.minds.service import Service
from agents.models import Agent, ModelCall, Thought
from tests.factories import wake_domains
from tests.integration.agents.living import person
from tests.model_server import ModelServer
from zones.models import World, Zone

MODEL = "clever"


def endpoint(model: ModelServer, name: str = "here", **fields: Any) -> Any:
    wake_domains()
    return actions.add_endpoint(
        name=name, base_url=model.base_url, model=MODEL, api_key="sk-secret", by="test", **fields
    )


def thinker(zone: Zone, name: str = "Mara", **fields: Any) -> Agent:
    return person(zone, name, **{"reasoner": "openai", **fields})


def think() -> None:
    """Let everybody who is due be asked, and act, until nobody is left."""
    asyncio.run(asyncio.wait_for(Service().run(until_idle=True), 60))
    assert not Thought.objects.exists()
    assert not ModelCall.objects.filter(status="open").exists()


def due(world: World) -> None:
    """Let everybody of a world be due at its clock as it stands."""
    Agent.objects.filter(world=world).update(due_tick=0)

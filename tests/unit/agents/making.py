"""Facts made by hand: an ordinary agent in an ordinary zone, but for what a test says."""

from typing import Any
from uuid import UUID

from agents.facts import AgentState, Facts, Other
from agents.perceive import Bystander, perceive
from zones.state import Happening, Way, ZoneState

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
RESOURCES = ("food", "materials", "energy", "knowledge")


def zone(**changes: Any) -> ZoneState:
    fields: dict[str, Any] = {
        "id": UUID(int=1), "world_id": UUID(int=2), "world_name": "World", "seed": 7, "tick": 10, "ordinal": 0,
        "name": "Harbour", "capacity": 100, "agent_count": 3, "movement_cost": 3.0, "interaction_range": 30.0,
        "regeneration": {}, "environment_interval": 30, "environment_due": 30,
        "properties": {"temperature": 20.0, "humidity": 0.5, "light": 0.7, "noise": 0.2},
        "resources": dict.fromkeys(RESOURCES, 60.0), "entropy": 0.2, "thermal": 0.0, "diffusing": False,
        "happenings": [],
    }  # fmt: skip
    return ZoneState(**fields | changes)


def agent(**changes: Any) -> AgentState:
    """`energy=…` and the like go to the stats, `openness=…` and the like to the traits."""
    stats = {"energy": 60.0, "creativity": 50.0, "focus": 50.0, "social": 50.0, "exploration": 50.0}
    traits = dict.fromkeys(TRAITS, 0.5)
    for values in (stats, traits):
        values.update({name: changes.pop(name) for name in list(changes) if name in values})
    fields: dict[str, Any] = {
        "id": UUID(int=100 + changes.get("ordinal", 0)), "ordinal": 0, "name": "Mara", "capabilities": [],
        "mod_count": 0, "reasoner": "rules", "movement_range": 10.0, "tick_interval": 3, "traits": traits,
        "stats": stats, "mood": 0.0, "activity": "", "current_focus": "", "goals": [], "memories": [],
        "actions": [], "x": 50.0, "y": 50.0, "z": 0.0, "tick_number": 4, "last_tick": 7, "due_tick": 10,
    }  # fmt: skip
    return AgentState(**fields | changes)


def facts(
    me: AgentState | None = None,
    place: ZoneState | None = None,
    *,
    near: tuple[str, ...] = (),
    mods: tuple[dict[str, Any], ...] = (),
    seed: int | None = None,
) -> Facts:
    """What `me` perceives in `place`; `near` are names of people a few steps away."""
    me, place = me or agent(), place or zone()
    if seed is not None:
        place.seed = seed
    roster = [Bystander(me.ordinal, me.name, me.x, me.y)]
    roster += [Bystander(me.ordinal + 1 + i, name, me.x + 1 + i, me.y) for i, name in enumerate(near)]
    return perceive([me], place, roster, {me.id: mods})[0]


def way(name: str = "Mill", permeability: float = 1.0, ordinal: int = 1) -> Way:
    return Way(UUID(int=1000 + ordinal), ordinal, name, permeability)


__all__ = ["Happening", "Other", "agent", "facts", "way", "zone"]

"""What a world file may say, field by field. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.specs import AgentSpec, Name, Share, Stat

Description = Annotated[str, Field(max_length=1000)]
Rate = Annotated[float, Field(ge=-100, le=100)]
PermissionName = Literal["spawn_agents", "modify_zone", "broadcast_events", "admin_zone"]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Way(_Part):
    """A way to another zone. It leads back just as well, unless the other zone states its own."""

    zone: Name
    """Name of the zone that it leads to."""
    permeability: Share = 1.0
    """0 shut, 1 open: how readily people and moods pass."""


class Regeneration(_Part):
    """Units of each resource that an environment tick brings; what is left out grows back at the usual rate."""

    food: Rate | None = None
    materials: Rate | None = None
    energy: Rate | None = None
    knowledge: Rate | None = None


class Rules(_Part):
    """How things go in a zone."""

    movement_cost: Annotated[float, Field(ge=0, le=100)] = 3.0
    """Energy that leaving for a neighbour costs."""
    interaction_range: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """Distance within which agents are near each other."""
    regeneration: Regeneration = Regeneration()
    spawning: bool = True
    """Whether agents may be born here later."""
    environment_interval: Annotated[int, Field(ge=1, le=100_000)] = 30
    """World ticks between two environment ticks."""


class Resources(_Part):
    """What there is at the start, 0–100."""

    food: Stat = 60.0
    materials: Stat = 60.0
    energy: Stat = 60.0
    knowledge: Stat = 60.0


class Properties(_Part):
    """The weather at the start."""

    temperature: Annotated[float, Field(ge=-50, le=60)] = 20.0
    """°C"""
    humidity: Share = 0.5
    light: Share = 0.7
    noise: Share = 0.2


class ZoneEntry(_Part):
    """A zone."""

    name: Name
    description: Description = ""
    capacity: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Most agents at once."""
    permissions: list[PermissionName] = ["spawn_agents", "broadcast_events"]
    """What anybody who may see the world may do here."""
    closed: bool = False
    """A closed zone lets nobody do anything and nobody in."""
    rules: Rules = Rules()
    resources: Resources = Resources()
    properties: Properties = Properties()
    entropy: Share = 0.2
    thermal: Annotated[float, Field(ge=-1, le=1)] = 0.0
    neighbours: list[Way] = []


class AgentEntry(AgentSpec):
    """An agent, with the zone that it is born in."""

    zone: Name
    """Name of its zone."""

    def columns(self) -> dict[str, Any]:
        """As for any agent: the zone is no value of the row."""
        values = super().columns()
        del values["zone"]
        return values


class WorldFile(_Part):
    """A Thunderline world."""

    name: Name
    description: Description = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """All chance follows from it: the same file and seed make the same world."""
    access: Literal["private", "shared", "open"] = "private"
    """Who may see it: its owner, named users too, or all who are signed in."""
    status: Literal["running", "paused"] = "running"
    """Whether its clock runs from the start."""
    rate: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """World ticks a heartbeat."""
    zones: list[ZoneEntry] = []
    agents: list[AgentEntry] = []
    """Their order is their order in the world, from which chance follows."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of a world file, for editors and other programs."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **WorldFile.model_json_schema()}

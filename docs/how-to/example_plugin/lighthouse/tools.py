"""A tool: reading the tide, which follows from the world's tick and from nothing else."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agents.facts import Facts
from agents.tools import Told, suggestion
from domains.chance import Chance
from domains.tools import Arguments, Caller, tool


class Ahead(Arguments):
    ticks: int = Field(0, ge=0, le=100)


class Tide(Told):
    level: float


@tool(name="read_the_tide", description="How high the water stands, 0–1.", capability="tides", output=Tide)
def read_the_tide(ahead: Ahead, caller: Caller) -> Tide:
    level = abs((caller.world_tick + ahead.ticks) % 24 - 12) / 12
    return Tide(
        level=level,
        story="{name} read the marks at the quay: {level}.",
        impression="The tide at {zone} stood at {level}.",
        slots={"level": f"{level:.0%}"},
    )


@suggestion("read_the_tide")
def _ahead(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    return {"ticks": chance.index(24)}

"""People for benchmarks: characters spread like those of a lived-in world, the same ones in every run."""

from __future__ import annotations

from collections.abc import Iterator

from agents.specs import AgentSpec, Traits
from domains.chance import Chance

GOALS = (
    "mend the bridge",
    "map the old town",
    "learn the names of the stars",
    "win back a friend",
    "plant an orchard",
)


def specs(count: int, *, interval: int = 1) -> Iterator[AgentSpec]:
    """`count` agents with traits of their own, two goals each, and a tick every `interval` world ticks."""
    for i in range(count):
        chance = Chance(1, i, 0, "population")
        first = chance.index(len(GOALS))
        yield AgentSpec(
            name=f"Agent {i:05}",
            description="Somebody with plans and a past, who was here before anybody thought of counting.",
            traits={name: round(chance.uniform(), 2) for name in Traits.model_fields},
            goals=[{"name": GOALS[first]}, {"name": GOALS[(first + 2) % len(GOALS)]}],
            tick_interval=interval,
        )

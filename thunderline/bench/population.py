"""People for benchmarks: the characters of the demo world over and over, the same ones in every run."""

from __future__ import annotations

from collections.abc import Iterator

from agents.specs import AgentSpec
from agents.world_files import reading
from thunderline.demo import FILE


def specs(count: int, *, interval: int = 1) -> Iterator[AgentSpec]:
    """`count` agents with the demo world's traits, goals and mods, and a tick every `interval` world ticks."""
    people = reading.read(FILE.read_bytes(), file=FILE.name).world.agents
    for i in range(count):
        person = people[i % len(people)]
        values = {name: getattr(person, name) for name in AgentSpec.model_fields}
        yield AgentSpec.model_construct(**values | {"name": f"{person.name} {i}", "tick_interval": interval})

"""Memories: how much of what should be found is found, or how long everything takes with a million of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thunderline.bench import memory_load, retrieval
from thunderline.bench.ticks import Report

OPTIONS = ("dataset", "agents", "memories", "seconds")
AGENTS, MEMORIES = 1000, 1000


def run(
    *,
    dataset: Path | None,
    agents: int | None,
    memories: int | None,
    seconds: float,
    say: Report = lambda _: None,
) -> dict[str, Any]:
    """Measure with a data set's questions; without one, with so many agents of so many memories each.

    `seconds` are for each of what goes on beside something else.

    Raises: retrieval.BadDataset.
    """
    if dataset is not None:
        if agents is not None or memories is not None:
            raise retrieval.BadDataset("--dataset says which agents and memories there are: leave the other two out")
        return retrieval.run(dataset, say)
    return memory_load.run(agents=agents or AGENTS, memories=memories or MEMORIES, seconds=seconds, say=say)

"""`bench memory --dataset FILE`: how much of what should be found is found, and what vectors alone would find.

The file is one JSON object: `agents`, each with a `name`, `memories` of `id`, `at`, `text`, and `queries` of `text`,
`evidence` (ids of memories) and `category`. Recall of a query is the share of its evidence among the first k results.
A result counts for the memory that made its row. Equal texts of an agent share a row, so that a memory which went into
an earlier one counts as not found: merging cannot raise a figure. Searching is told the agent, the text and the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any
from uuid import UUID

import psycopg
from django.db import transaction
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agents import actions as agents
from agents.specs import AgentSpec, Name
from domains import sql
from memory import actions, queries
from memory.actions import storing
from thunderline.bench import memory_limit
from thunderline.bench.arena import arena
from thunderline.bench.histogram import spread
from thunderline.bench.ticks import Report, world_of

DEPTHS = (5, 10, 20)
BATCH = 100
"""Memories that are stored in one transaction."""


class BadDataset(ValueError):
    """The file cannot be measured with. The message names the place and what is wrong there."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


Id = Annotated[str, Field(min_length=1, max_length=200)]


class Remembered(_Part):
    """A memory of the file."""

    id: Id
    at: AwareDatetime
    text: str


class Query(_Part):
    """A question of the file, and what should be found."""

    text: Annotated[str, Field(min_length=1, max_length=storing.LONGEST)]
    evidence: Annotated[list[Id], Field(min_length=1)]
    category: Id


class Conversation(_Part):
    """One agent of the file."""

    name: Name
    memories: Annotated[list[Remembered], Field(min_length=1)]
    queries: list[Query]


class Dataset(_Part):
    """The file."""

    agents: Annotated[list[Conversation], Field(min_length=1)]


def read(path: Path) -> Dataset:
    """The file's content. Raises: BadDataset."""
    try:
        dataset = Dataset.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadDataset(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise BadDataset(f"{path}: {at + ': ' if at else ''}{first['msg']}") from error
    for problem in _problems(dataset):
        raise BadDataset(f"{path}: {problem}")
    return dataset


def _problems(dataset: Dataset) -> Iterator[str]:
    if not any(each.queries for each in dataset.agents):
        yield "there are no queries, so nothing can be measured"
    if twice := _twice([each.name for each in dataset.agents]):
        yield f"two agents have the name {twice!r}"
    for each in dataset.agents:
        if twice := _twice([memory.id for memory in each.memories]):
            yield f"{each.name}: two memories have the id {twice!r}"
        for memory in each.memories:
            try:
                storing.check(actions.NewMemory(UUID(int=0), memory.text, at=memory.at))
            except actions.InvalidMemory as error:
                yield f"{each.name}, memory {memory.id}: {error}"
        known = {memory.id for memory in each.memories}
        for number, query in enumerate(each.queries, 1):
            if unknown := [one for one in query.evidence if one not in known]:
                yield f"{each.name}, query {number}: the evidence {unknown[0]!r} is none of its memories"


def _twice(names: Sequence[str]) -> str | None:
    seen = set[str]()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


# --- Measuring -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """One query: the share of its evidence among the first of each of `DEPTHS`, by the search and by vectors alone."""

    agent: str
    category: str
    found: tuple[float, ...]
    by_vectors: tuple[float, ...]


def run(path: Path, say: Report) -> dict[str, Any]:
    """Store what the file has in a database of its own, ask its questions, and compare. Raises: BadDataset."""
    dataset = read(path)
    with arena() as place:
        world_id, zone_ids = world_of(1, capacity=len(dataset.agents))
        specs = [(zone_ids[0], AgentSpec(name=each.name)) for each in dataset.agents]
        ids = [agent.pk for agent in agents.create_many(specs, world_id=world_id, by="bench")]
        store = Store()
        memory_limit.vector_of("")  # the embedder is loaded at its first text
        for agent_id, each in zip(ids, dataset.agents, strict=True):
            say(f"{each.name}: {len(each.memories):,} memories are stored")
            store.take_in(agent_id, each)
        sql.execute("ANALYZE memory_nodes")
        with psycopg.connect(place.database_url, autocommit=True, prepare_threshold=1) as bare:
            asking = Asking(store.owners, bare)
            for agent_id, each in zip(ids, dataset.agents, strict=True):
                say(f"{each.name}: {len(each.queries):,} questions are asked")
                asking.ask_all(agent_id, each)
    return _figures(dataset, store, asking)


class Store:
    """Stores memories through the public API, and knows which memory made which row."""

    def __init__(self) -> None:
        self.owners: dict[UUID, str] = {}
        self.count, self.seconds = 0, 0.0

    def take_in(self, agent_id: UUID, each: Conversation) -> None:
        """All memories of an agent, oldest first; of one time, in the order of the file."""
        oldest_first = sorted(each.memories, key=lambda memory: memory.at)
        for start in range(0, len(oldest_first), BATCH):
            batch = oldest_first[start : start + BATCH]
            started = time.perf_counter()
            new = [actions.NewMemory(agent_id, memory.text, at=memory.at) for memory in batch]
            with transaction.atomic():
                rows = actions.store_many(new)
            self.seconds += time.perf_counter() - started
            self.count += len(batch)
            for row, memory in zip(rows, batch, strict=True):
                if row is not None:
                    self.owners.setdefault(row, memory.id)


class Asking:
    """Asks questions, each of the search and then of plain SQL over vectors."""

    def __init__(self, owners: dict[UUID, str], bare: psycopg.Connection[Any]) -> None:
        self.owners, self.bare = owners, bare
        self.measured: list[Measured] = []
        self.search_ms: list[float] = []
        self.limit_ms: list[float] = []

    def ask_all(self, agent_id: UUID, each: Conversation) -> None:
        """The questions of an agent, as of its last memory; the first one twice, and not counted at first."""
        last = max(memory.at for memory in each.memories)
        for query in each.queries[:1]:
            queries.search(agent_id, query.text, limit=DEPTHS[-1], as_of=last)
        for query in each.queries:
            started = time.perf_counter()
            found = [one.id for one in queries.search(agent_id, query.text, limit=DEPTHS[-1], as_of=last)]
            self.search_ms.append((time.perf_counter() - started) * 1000)
            vector = memory_limit.vector_of(query.text)
            started = time.perf_counter()
            nearest = memory_limit.nearest(self.bare, agent_id, vector, DEPTHS[-1])
            self.limit_ms.append((time.perf_counter() - started) * 1000)
            self.measured.append(Measured(each.name, query.category, *self._shares(query, found, nearest)))

    def _shares(self, query: Query, *results: Sequence[UUID]) -> Iterator[tuple[float, ...]]:
        wanted = set(query.evidence)
        for rows in results:
            ids = [self.owners[row] for row in rows]
            yield tuple(len(wanted.intersection(ids[:depth])) / len(wanted) for depth in DEPTHS)


# --- Sums ----------------------------------------------------------------------------------------------------


def _figures(dataset: Dataset, store: Store, asking: Asking) -> dict[str, Any]:
    return {
        "agents": len(dataset.agents),
        "memories": store.count,
        "merged": store.count - len(store.owners),
        **_recalls(asking.measured),
        "baseline": _means([one.by_vectors for one in asking.measured]),
        "by_category": _grouped([(one.category, one) for one in asking.measured]),
        "by_agent": _grouped([(one.agent, one) for one in asking.measured]),
        "stores_per_s": round(store.count / store.seconds, 1),
        "search_ms": spread(asking.search_ms),
        "limit_search_ms": spread(asking.limit_ms),
    }


def _recalls(measured: Sequence[Measured]) -> dict[str, float]:
    return {"queries": len(measured), **_means([one.found for one in measured])}


def _means(shares: Sequence[tuple[float, ...]]) -> dict[str, float]:
    return {f"recall@{k}": round(fmean(column), 4) for k, column in zip(DEPTHS, zip(*shares, strict=True), strict=True)}


def _grouped(named: Sequence[tuple[str, Measured]]) -> dict[str, dict[str, float]]:
    in_order = sorted(named, key=lambda one: one[0])
    return {name: _recalls([one for _, one in ones]) for name, ones in groupby(in_order, key=lambda one: one[0])}

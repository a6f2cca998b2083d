"""`bench memory` without a data set: how long storing and searching take among many memories, and what ticks lose.

Two processes store through the public API, batch after batch, their agents taking turns as they do while a world
ticks. One agent more remembers ten times as much; it is the one that is searched. The limit is plain SQL on the same
table: COPY of ready rows in transactions as large, and the nearest vectors of the same agent by a bare statement.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import psutil
import psycopg

from domains import sql
from thunderline.bench import memory_searches
from thunderline.bench.arena import Arena, arena
from thunderline.bench.histogram import spread, totals
from thunderline.bench.processes import ask, hear, process, tell
from thunderline.bench.ticks import Product, Report, build, celery_workers

STORERS, WORKERS = 2, 2
HEAVY = 10
"""So many times the memories of others."""
TURNS = 3
"""How often product and limit take turns at the end of the loading."""
SLICE = 20_000
"""Memories that a process stores between two reports."""
GUESTS_PER_TURN = 1 / 60
"""Agents, for each one who remembers, who get copies of another's memories in a turn of the limit."""
STORES_PER_S, SEARCHES_PER_S = 5000, 10
"""What goes on beside ticks."""
TICK_MS = "thunderline_tick_chunk_seconds"

Process = subprocess.Popen[bytes]


@dataclass(slots=True)
class Figures:
    """What is printed. `…_ms` are `{p50, p95, p99}`, of stores per memory in batches of a hundred."""

    agents: int
    memories: int
    stored: int = 0
    stores_per_s: float = 0.0
    """Over all of the loading, by both processes together."""
    store_ms: dict[str, float] = field(default_factory=dict)
    last_stores_per_s: float = 0.0
    """In turns with the limit, at the end of the loading."""
    limit_stores_per_s: float = 0.0
    ratio: float = 0.0
    limit_store_ms: dict[str, float] = field(default_factory=dict)
    index_builds_s: float = 0.0
    """What the index across agents took that grew with the table, between the rounds of storing."""
    bytes_per_memory: dict[str, int] = field(default_factory=dict)
    """Of the table and of its indexes; what the graph keeps is not in it."""
    rss_mb_per_storer: float = 0.0
    searched_memories: int = 0
    search_ms: dict[str, float] = field(default_factory=dict)
    limit_search_ms: dict[str, float] = field(default_factory=dict)
    across: dict[str, Any] = field(default_factory=dict)
    search_during_stores_ms: dict[str, float] = field(default_factory=dict)
    during: dict[str, Any] = field(default_factory=dict)
    """What was stored meanwhile, by one process, flat out."""
    ticks: dict[str, Any] = field(default_factory=dict)
    checked: str = ""


def run(*, agents: int, memories: int, seconds: float, say: Report = lambda _: None) -> dict[str, Any]:
    """Load, search and tick in a database of its own. Returns the figures by name."""
    figures = Figures(agents, memories)
    with arena() as place:
        scene = Scene.made(agents, memories)
        with ExitStack() as stack:
            processes = [
                stack.enter_context(process(place, ["thunderline.bench.memory_storer", str(n)], f"storer-{n}"))
                for n in range(STORERS)
            ]
            load(scene, processes, figures, say)
            figures.checked = check(scene, figures)
            bare = stack.enter_context(psycopg.connect(place.database_url, autocommit=True, prepare_threshold=1))
            figures.search_ms, figures.limit_search_ms = memory_searches.search(UUID(scene.heavy), bare, say)
            figures.across = memory_searches.across(bare, say)
            beside_stores(scene, processes, figures, seconds, say)
            beside_ticks(scene, place, processes, figures, seconds, say)
    return asdict(figures)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who remembers."""

    world_id: Any
    shares: list[list[str]]
    """Ids of agents, for each process its own."""
    heavy: str
    guests: list[str]
    memories: int

    @classmethod
    def made(cls, count: int, memories: int) -> Scene:
        """A paused world of so many agents, one who remembers more, and guests who get copies."""
        guests = TURNS * STORERS * max(1, round(count * GUESTS_PER_TURN / STORERS))
        crowd = count + 1 + guests
        world_id = build(crowd, max(1, crowd // 100))
        ids = [str(pk) for (pk,) in sql.fetch_rows("SELECT id FROM pac_agents ORDER BY ordinal")]
        heavy = ids[count]
        shares = [ids[:count][n::STORERS] for n in range(STORERS)]
        shares[-1].append(heavy)
        return cls(world_id, shares, heavy, ids[count + 1 :], memories)

    def total(self, share: Sequence[str]) -> int:
        """Memories that these agents will have stored."""
        return (len(share) + (HEAVY - 1) * (self.heavy in share)) * self.memories


# --- Storing -------------------------------------------------------------------------------------------------


def load(scene: Scene, processes: Sequence[Process], figures: Figures, say: Report) -> None:
    """All memories, and at the end of it the limit in turns."""
    ask(processes, *({"do": "begin", "agents": s, "heavy": scene.heavy, "heavy_each": HEAVY} for s in scene.shares))
    totals_of = [scene.total(share) for share in scene.shares]
    slices = max(2 * TURNS, -(-max(totals_of) // SLICE))
    rounds, index_s = {"store": Rounds(), "last": Rounds(), "copy": Rounds()}, 0.0
    for n in range(slices):
        say(f"storing: {rounds['store'].count:,} of {sum(totals_of):,}, {rounds['store'].per_s:,.0f} a second")
        ask(processes, *({"do": "prepare", "count": t * (n + 1) // slices - t * n // slices} for t in totals_of))
        index_s += memory_searches.tended(say)
        answers = ask(processes, {"do": "store"})
        rounds["store"].add(answers)
        if (turn := n - (slices - TURNS)) >= 0:
            rounds["last"].add(answers)
            say(f"copying, turn {turn + 1} of {TURNS}")
            ask(processes, *({"do": "read", "pairs": pairs} for pairs in _pairs(scene, turn)))
            rounds["copy"].add(ask(processes, {"do": "copy"}))
    figures.stored, figures.stores_per_s, figures.store_ms = rounds["store"].figures()
    _, figures.last_stores_per_s, _ = rounds["last"].figures()
    _, figures.limit_stores_per_s, figures.limit_store_ms = rounds["copy"].figures()
    figures.ratio = round(figures.last_stores_per_s / figures.limit_stores_per_s, 3)
    figures.index_builds_s = round(index_s, 1)
    figures.rss_mb_per_storer = round(max(psutil.Process(p.pid).memory_info().rss for p in processes) / 1e6, 1)


class Rounds:
    """What processes did side by side, over several rounds."""

    def __init__(self) -> None:
        self.count, self.seconds, self.ms = 0, 0.0, list[float]()

    def add(self, answers: Sequence[dict[str, Any]]) -> None:
        """One round: it lasts as long as the slowest."""
        self.count += sum(each["count"] for each in answers)
        self.seconds += max(each["seconds"] for each in answers)
        self.ms += [ms for each in answers for ms in each["ms"]]

    @property
    def per_s(self) -> float:
        """So far."""
        return self.count / self.seconds if self.seconds else 0.0

    def figures(self) -> tuple[int, float, dict[str, float]]:
        """How many, how many a second, and the quantiles."""
        return self.count, round(self.per_s, 1), spread(self.ms)


def _pairs(scene: Scene, turn: int) -> Iterator[list[tuple[str, str]]]:
    """For each process: whose memories it copies, and to whom."""
    guests = scene.guests[turn::TURNS]
    for n in range(STORERS):
        mine = guests[n::STORERS]
        yield [(scene.shares[0][i % len(scene.shares[0])], guest) for i, guest in enumerate(mine)]


def check(scene: Scene, figures: Figures) -> str:
    """Compare what was stored with the rows. Raises: RuntimeError."""
    own = [agent for share in scene.shares for agent in share]
    ((rows, seen, waiting, of_heavy),) = sql.fetch_rows(
        """SELECT count(*), sum(seen_count), count(*) FILTER (WHERE embedding IS NULL),
                  count(*) FILTER (WHERE agent_id = %s)
           FROM memory_nodes WHERE agent_id = ANY(%s::uuid[])""",
        [scene.heavy, own],
    )
    if seen != figures.stored or waiting:
        raise RuntimeError(f"{figures.stored} memories stored, {seen} counted, {waiting} of them without a vector")
    ((every, table, indexes),) = sql.fetch_rows(
        """SELECT (SELECT count(*) FROM memory_nodes), pg_table_size('memory_nodes'), pg_indexes_size('memory_nodes')"""
    )
    figures.bytes_per_memory = {"table": table // every, "indexes": indexes // every}
    figures.searched_memories = of_heavy
    return f"{seen} stored = {rows} rows and {seen - rows} that merged, {every - rows} copied"


# --- Beside stores -----------------------------------------------------------------------------------------------


def beside_stores(scene: Scene, processes: Sequence[Process], figures: Figures, seconds: float, say: Report) -> None:
    """One process searches, one question after the other, while the other one stores flat out."""
    say("searching beside stores")
    ask(processes[:1], {"do": "begin", "agents": scene.shares[0]})
    begin_both(scene, processes, seconds, stores=None, searches=None)
    stores, searches = hear(processes)
    figures.search_during_stores_ms = spread(searches["ms"])
    figures.during = _told(stores)


def begin_both(
    scene: Scene, processes: Sequence[Process], seconds: float, *, stores: float | None, searches: float | None
) -> None:
    """Let the first process store and the second one search, so many a second or flat out (None)."""
    tell(
        processes,
        {"do": "store_for", "seconds": seconds, "per_s": stores},
        {"do": "search_for", "agent": scene.heavy, "seconds": seconds, "per_s": searches},
    )


def _told(stores: dict[str, Any]) -> dict[str, Any]:
    return {"stores_per_s": round(stores["count"] / stores["seconds"], 1), "store_ms": spread(stores["ms"])}


# --- Ticking -------------------------------------------------------------------------------------------------


def beside_ticks(
    scene: Scene, place: Arena, processes: Sequence[Process], figures: Figures, seconds: float, say: Report
) -> None:
    """The same agents tick: flat out, at half that rate, and at half that rate beside stores and searches."""
    product = Product(scene.world_id, WORKERS)
    with celery_workers(place, WORKERS):
        say("warming up the workers")
        product.warm_up()
        say("ticks alone, flat out")
        product.go(seconds)
        full = product.ticks / product.seconds
        crowd = sum(map(len, scene.shares)) + len(scene.guests)
        paced = Paced(product, place, full / 2 / crowd, seconds)
        say("ticks alone, at half of that")
        alone = paced.go()
        say("ticks beside stores and searches")
        begin_both(scene, processes, seconds, stores=STORES_PER_S, searches=SEARCHES_PER_S)
        beside = paced.go()
        stores, searches = hear(processes)
    figures.ticks = {
        "full_per_s": round(full, 1),
        "half_per_s": round(full / 2, 1),
        "alone": alone,
        "beside": beside | _told(stores) | {"search_ms": spread(searches["ms"])},
        "slower_by": round(1 - beside["ticks_per_s"] / alone["ticks_per_s"], 3),
        "chunks_longer_by": round(beside["chunk_ms"] / alone["chunk_ms"] - 1, 3),
    }


@dataclass(frozen=True, slots=True)
class Paced:
    """Ticks at a steady rate."""

    product: Product
    place: Arena
    world_ticks_per_s: float
    seconds: float

    def go(self) -> dict[str, float]:
        """Agent ticks a second that were reached, and the mean time of a transaction of them."""
        chunks, took = totals(self.place.folder / "metrics", TICK_MS)
        ticks, seconds = self.product.pace(self.world_ticks_per_s, self.seconds)
        chunks_after, took_after = totals(self.place.folder / "metrics", TICK_MS)
        chunk_ms = (took_after - took) * 1000 / max(1.0, chunks_after - chunks)
        return {"ticks_per_s": round(ticks / seconds, 1), "chunk_ms": round(chunk_ms, 2)}

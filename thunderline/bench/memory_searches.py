"""Searching among many memories, in turns with plain SQL on the same table: one agent's, and those of all agents."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from memory import embedding, queries
from memory.across import index, upkeep
from thunderline.bench import memory_limit
from thunderline.bench.histogram import spread
from thunderline.bench.memory_limit import Half
from thunderline.bench.sentences import Sentences
from thunderline.bench.ticks import Report

QUESTIONS, EXACT_QUESTIONS, WARM_UP = 200, 40, 20
FOUND = 10
NEARLY = 1e-9
"""Distances that differ by less are the same."""

Spread = dict[str, float]
"""`{p50, p95, p99}`."""


def tended(say: Report) -> float:
    """Let there be the index across agents that upkeep would have made by now. Returns the seconds that it took."""
    return upkeep.tend(tell=lambda now: say(f"index across agents, {now.phase}: {now.done:,} of {now.total:,}")).seconds


def search(heavy: UUID, bare: psycopg.Connection[Any], say: Report) -> list[Spread]:
    """An agent is searched, in turns with plain SQL, and nothing else goes on. Milliseconds of both."""
    say("the table is vacuumed")
    bare.execute("VACUUM ANALYZE memory_nodes", prepare=False)
    say(f"{QUESTIONS} questions to the agent with the most memories")
    return in_turns(
        questions(QUESTIONS),
        lambda text, _: queries.search(heavy, text, limit=FOUND),
        lambda _, vector: memory_limit.nearest(bare, heavy, vector, FOUND),
    )


def across(bare: psycopg.Connection[Any], say: Report) -> dict[str, Any]:
    """All agents' memories are searched, in turns with the bare index; and how much is found of what is nearest.

    What is as near as the last of the exact ten counts as found: of equal texts, any will do.
    """
    tended(say)
    say(f"{QUESTIONS} questions across agents")
    asked = questions(QUESTIONS)
    scan = index.scan(embedding.current(), read=settings.MEMORY_INDEX["read"])
    probes = scan.probes if scan else 1
    search_ms, limit_ms = in_turns(
        asked,
        lambda text, _: queries.search_all(text, limit=FOUND),
        lambda _, vector: memory_limit.across(bare, vector, FOUND, probes=probes),
    )
    shares = []
    for n, (text, vector) in enumerate(asked[-EXACT_QUESTIONS:], 1):
        say(f"exact search {n} of {EXACT_QUESTIONS}")
        farthest = memory_limit.exact(bare, vector, FOUND)[-1]
        found = queries.search_all(text, limit=FOUND)
        shares.append(sum(1 - one.score <= farthest + NEARLY for one in found) / FOUND)
    return {
        "lists": upkeep.report().lists, "probes": probes, "search_ms": search_ms, "limit_search_ms": limit_ms,
        "recall@10": round(fmean(shares), 4),
    }  # fmt: skip


def questions(count: int) -> list[tuple[str, Half]]:
    """So many about what agents of the first process remember, and some to warm up, with their vectors."""
    asked = Sentences(seed=0)
    texts = [asked.question() for _ in range(WARM_UP + count)]
    return [(text, memory_limit.vector_of(text)) for text in texts]


def in_turns(asked: Sequence[tuple[str, Half]], *calls: Callable[[str, Half], object]) -> list[Spread]:
    """Milliseconds of each call; the first `WARM_UP` questions are not counted."""
    took: list[list[float]] = [[] for _ in calls]
    for text, vector in asked:
        for call, ms in zip(calls, took, strict=True):
            started = time.perf_counter()
            call(text, vector)
            ms.append((time.perf_counter() - started) * 1000)
    return [spread(ms[WARM_UP:]) for ms in took]

"""What `bench memory` compares with: plain SQL on the same table, by psycopg without Django."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql as compose

from memory import embedding
from memory.across import index

Half = npt.NDArray[np.float16]

NEAREST = """
WITH mine AS MATERIALIZED (SELECT id, embedding FROM memory_nodes WHERE agent_id = %s)
SELECT id FROM mine ORDER BY embedding <=> %s::halfvec LIMIT %s
"""
# By the index that searches across agents use, where there is one: its expression, over its rows.
ACROSS = """
SELECT id FROM memory_nodes WHERE embedder = {embedder} ORDER BY {stored} <-> {asked} LIMIT %s
"""
# No index has this expression.
EXACT = "SELECT embedding <=> %s::halfvec AS distance FROM memory_nodes ORDER BY distance LIMIT %s"


def vector_of(text: str) -> Half:
    """A question's vector. Raises: RuntimeError, when the embedder gives none."""
    embedded = embedding.of_questions([text])
    if embedded is None:
        raise RuntimeError("the embedder gave no vector: see what it logged")
    return embedded.halves[0]


def nearest(database: psycopg.Connection[Any], agent_id: UUID, vector: Half, count: int) -> list[UUID]:
    """Ids of an agent's memories nearest to a vector, nearest first."""
    return [row[0] for row in database.execute(NEAREST, [agent_id, written(vector), count]).fetchall()]


def across(database: psycopg.Connection[Any], vector: Half, count: int, *, probes: int) -> list[UUID]:
    """Ids of about the nearest of all agents' memories, nearest first, from so many lists of the index."""
    query = compose.SQL(ACROSS).format(
        embedder=compose.Literal(embedding.current()), stored=compose.SQL(index.beginning("embedding", len(vector))),
        asked=compose.SQL(index.beginning(f"'{written(vector)}'::halfvec", len(vector))),
    )  # fmt: skip
    with database.transaction():
        database.execute("SELECT set_config('ivfflat.probes', %s, true)", [str(probes)])
        return [row[0] for row in database.execute(query, [count], prepare=False).fetchall()]


def exact(database: psycopg.Connection[Any], vector: Half, count: int) -> list[float]:
    """How far the nearest of all memories are from a vector, nearest first, by looking at every row."""
    return [row[0] for row in database.execute(EXACT, [written(vector), count]).fetchall()]


def written(vector: Half) -> str:
    """A vector as SQL reads it."""
    return f"[{','.join(map(str, vector.tolist()))}]"

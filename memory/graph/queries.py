"""Reading the graph: what is around a memory, ways between two, who is named where. No agent sees another's.

A walk goes outwards from a memory in rings, the strongest ties first, by recursive SQL whose every step is one set:
what was reached is never gone through again, and when it is as many as may be, the walk ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domains import sql

MOST_NODES = 200
"""Of a graph around a memory, itself included."""
MOST_DEPTH = 6
MOST_ACTIVATED = 40
MOST_ENDS = 500
"""Memories that a search for ways looks at from either end."""
LONGEST_WAY = 6
"""Edges. Three from either end."""

# `{start}` is a memory; rows are rings: all that was reached so far, and the depths. An agent's alone: `{start}`'s.
_WALK = """(
    SELECT 0 AS depth, ARRAY[id] AS ring, ARRAY[id] AS seen, ARRAY[0] AS depths, agent_id
    FROM memory_nodes WHERE id = {start}
  UNION ALL
    SELECT w.depth + 1, n.ring, w.seen || n.ring, w.depths || array_fill(w.depth + 1, ARRAY[cardinality(n.ring)]),
           w.agent_id
    FROM {name} w, LATERAL (
        SELECT array_agg(other) AS ring FROM (
            SELECT e.other FROM (
                SELECT target_id AS other, strength FROM memory_edges WHERE source_id = ANY(w.ring)
                UNION ALL
                SELECT source_id, strength FROM memory_edges WHERE target_id = ANY(w.ring)
            ) e JOIN memory_nodes n ON n.id = e.other AND n.agent_id = w.agent_id
            WHERE e.other <> ALL(w.seen)
            GROUP BY e.other ORDER BY max(e.strength) DESC, e.other
            LIMIT greatest(0, {most} - cardinality(w.seen))
        ) strongest
    ) n
    WHERE w.depth < {deepest} AND n.ring IS NOT NULL
)"""
_REACHED = """(
    SELECT u.id, u.depth FROM (SELECT seen, depths FROM {name} ORDER BY depth DESC LIMIT 1) last,
    LATERAL unnest(last.seen, last.depths) AS u (id, depth)
)"""


def _walk(name: str, start: str, deepest: str, most: str) -> str:
    walk = _WALK.format(name=name, start=start, deepest=deepest, most=most)
    return f"{name} AS {walk}, {name}_at AS MATERIALIZED {_REACHED.format(name=name)}"


# Of an agent that is named, no other's memory is found.
_OF_AGENT = "(SELECT id FROM memory_nodes WHERE id = %(id)s AND coalesce(agent_id = %(agent)s::uuid, true))"
NODES = f"""
WITH RECURSIVE {_walk("walk", _OF_AGENT, "%(depth)s::int", "%(most)s::int")}
SELECT n.id, w.depth, n.content, n.kind, n.importance, n.inserted_at
FROM walk_at w JOIN memory_nodes n ON n.id = w.id ORDER BY w.depth, n.id
"""
EDGES = """
SELECT source_id, target_id, relation, strength FROM memory_edges
WHERE source_id = ANY(%(ids)b::uuid[]) AND target_id = ANY(%(ids)b::uuid[])
ORDER BY strength DESC, source_id, target_id, relation
"""
NEIGHBOURS = """
SELECT q.id, e.other, e.relation, e.strength, e.outward
FROM unnest(%(ids)b::uuid[]) WITH ORDINALITY AS q (id, place) JOIN memory_nodes m ON m.id = q.id
CROSS JOIN LATERAL (
    SELECT target_id AS other, relation, strength, true AS outward FROM memory_edges WHERE source_id = q.id
    UNION ALL
    SELECT source_id, relation, strength, false FROM memory_edges WHERE target_id = q.id
) e JOIN memory_nodes n ON n.id = e.other AND n.agent_id = m.agent_id
WHERE %(relations)s::text[] IS NULL OR e.relation = ANY(%(relations)s::text[])
ORDER BY q.place, e.strength DESC, e.other, e.relation
"""

# What ties of some memories lead to, of several questions at once; a few dozen each.
ACTIVATED = """
SELECT question, other, strength FROM (
    SELECT q.question, e.other, max(e.strength * q.weight) AS strength,
           row_number() OVER (PARTITION BY q.question ORDER BY max(e.strength * q.weight) DESC, e.other) AS place
    FROM unnest(%(questions)b::bigint[], %(ids)b::uuid[], %(weights)b::float8[]) AS q (question, id, weight)
    CROSS JOIN LATERAL (
        SELECT target_id AS other, strength FROM memory_edges WHERE source_id = q.id
        UNION ALL
        SELECT source_id, strength FROM memory_edges WHERE target_id = q.id
    ) e GROUP BY q.question, e.other
) ranked WHERE place <= %(most)s
"""

# Shortest ways: both ends walk three rings. Where the rings meet soonest, the ways are followed back to either end,
# by the few strongest edges at each step.
PATHS = f"""
WITH RECURSIVE
{_walk("a", "%(a)s", "3", "%(ends)s::int")},
{_walk("b", "%(b)s", "3", "%(ends)s::int")},
meeting AS (
    SELECT a.id, a.depth AS from_a, b.depth AS from_b FROM a_at a JOIN b_at b USING (id)
),
length AS (SELECT min(from_a + from_b) AS edges FROM meeting),
middle AS MATERIALIZED (
    SELECT m.* FROM meeting m, length l
    WHERE from_a + from_b = l.edges AND from_a = (
        SELECT min(from_a) FROM meeting, length WHERE from_a + from_b = edges AND from_a >= edges / 2)
    ORDER BY id LIMIT 50
),
back AS (
    SELECT id AS middle, ARRAY[id] AS path, id AS at, from_a AS depth, 1.0::float8 AS strength FROM middle
  UNION ALL
    SELECT s.middle, e.other || s.path, e.other, s.depth - 1, s.strength * e.strength
    FROM back s, LATERAL (
        SELECT x.other, max(x.strength) AS strength FROM (
            SELECT target_id AS other, strength FROM memory_edges WHERE source_id = s.at
            UNION ALL
            SELECT source_id, strength FROM memory_edges WHERE target_id = s.at
        ) x JOIN a_at n ON n.id = x.other AND n.depth = s.depth - 1
        GROUP BY x.other ORDER BY 2 DESC, 1 LIMIT %(wide)s
    ) e WHERE s.depth > 0
),
forth AS (
    SELECT id AS middle, ARRAY[]::uuid[] AS path, id AS at, from_b AS depth, 1.0::float8 AS strength FROM middle
  UNION ALL
    SELECT s.middle, s.path || e.other, e.other, s.depth - 1, s.strength * e.strength
    FROM forth s, LATERAL (
        SELECT x.other, max(x.strength) AS strength FROM (
            SELECT target_id AS other, strength FROM memory_edges WHERE source_id = s.at
            UNION ALL
            SELECT source_id, strength FROM memory_edges WHERE target_id = s.at
        ) x JOIN b_at n ON n.id = x.other AND n.depth = s.depth - 1
        GROUP BY x.other ORDER BY 2 DESC, 1 LIMIT %(wide)s
    ) e WHERE s.depth > 0
)
SELECT back.path || forth.path, back.strength * forth.strength AS strength
FROM back JOIN forth USING (middle) WHERE back.depth = 0 AND forth.depth = 0
ORDER BY 2 DESC, 1 LIMIT %(most)s
"""

ENTITIES = """
SELECT e.id, e.name, e.kind,
       coalesce((SELECT array_agg(alias ORDER BY alias) FROM memory_entity_aliases a WHERE a.entity_id = e.id), '{}'),
       coalesce(c.memories, 0)
FROM memory_entities e LEFT JOIN (
    SELECT m.entity_id, count(*) AS memories FROM memory_entities mine JOIN memory_mentions m ON m.entity_id = mine.id
    WHERE mine.agent_id = %(agent_id)s GROUP BY m.entity_id
) c ON c.entity_id = e.id
WHERE e.agent_id = %(agent_id)s ORDER BY 5 DESC, e.name, e.id LIMIT %(limit)s
"""
CALLED = """
SELECT a.alias, e.id, e.name, e.kind
FROM memory_entity_aliases a JOIN memory_entities e ON e.id = a.entity_id
WHERE a.agent_id = %s AND a.alias = ANY(%s)
"""
NAMED = """
SELECT m.memory_id, e.id, e.name, e.kind
FROM memory_mentions m JOIN memory_nodes n ON n.id = m.memory_id
JOIN memory_entities e ON e.id = m.entity_id AND e.agent_id = n.agent_id
WHERE m.memory_id = ANY(%b::uuid[]) ORDER BY e.name, e.id
"""
CONTENTS = "SELECT id, content FROM memory_nodes WHERE id = ANY(%b::uuid[])"
MEMORIES_OF = """
SELECT n.id, 0, n.content, n.kind, n.importance, n.inserted_at
FROM memory_mentions m JOIN memory_entities e ON e.id = m.entity_id
JOIN memory_nodes n ON n.id = m.memory_id AND n.agent_id = e.agent_id
WHERE m.entity_id = %s ORDER BY m.memory_id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A memory in a graph; `depth` is how many edges it is from where the walk began."""

    id: UUID
    depth: int
    content: str
    kind: str
    importance: float
    inserted_at: datetime


@dataclass(frozen=True, slots=True)
class Edge:
    """A tie, as strong as it was when it was last looked after (within a day)."""

    source_id: UUID
    target_id: UUID
    relation: str
    strength: float


@dataclass(frozen=True, slots=True)
class Graph:
    """Memories around one, nearest first, and all edges among them, strongest first."""

    nodes: list[Node]
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A memory beside another. `outward`: the edge goes from `of` to it."""

    of: UUID
    id: UUID
    relation: str
    strength: float
    outward: bool


@dataclass(frozen=True, slots=True)
class Path:
    """Memories from one to another, both included; `strength` is the product of its edges' strengths."""

    ids: list[UUID]
    strength: float


@dataclass(frozen=True, slots=True)
class Entity:
    """Who or what an agent's memories name, and how many do. `aliases` in the form that names are compared in."""

    id: UUID
    name: str
    kind: str
    aliases: list[str]
    memories: int


@dataclass(frozen=True, slots=True)
class Named:
    """Who or what a memory names."""

    id: UUID
    name: str
    kind: str


def graph(memory_id: UUID, depth: int = 2, *, most: int = MOST_NODES, agent_id: UUID | None = None) -> Graph:
    """The `most` memories (2,000) that are up to `depth` edges (0–6) away from one.

    Empty when there is no such memory, or it is not the agent's where one is named. Two queries.
    """
    params = {
        "id": memory_id, "agent": agent_id, "depth": min(max(depth, 0), MOST_DEPTH),
        "most": min(max(most, 1), 10 * MOST_NODES),
    }  # fmt: skip
    nodes = [Node(*row) for row in sql.fetch_rows(NODES, params)]
    return Graph(nodes, edges_among([node.id for node in nodes]))


def edges_among(memory_ids: Collection[UUID]) -> list[Edge]:
    """Every edge with both ends among these memories, strongest first. One query."""
    if len(memory_ids) < 2:
        return []
    return [Edge(*row) for row in sql.fetch_rows(EDGES, {"ids": sql.Ids(memory_ids)})]


def neighbours(memory_ids: Sequence[UUID], relations: Collection[str] | None = None) -> list[Neighbour]:
    """What is tied to each of these memories, in their order, strongest ties first. One query."""
    if not memory_ids:
        return []
    params = {"ids": sql.Ids(memory_ids), "relations": None if relations is None else list(relations)}
    return [Neighbour(*row) for row in sql.fetch_rows(NEIGHBOURS, params)]


def activated(seeds: Sequence[Mapping[UUID, float]]) -> list[dict[UUID, float]]:
    """What comes to mind with some memories, for several lists of them: ids, and how strongly, 0 to 1.

    `seeds` are memories by id with what they count for, above 0; the most counts as 1. The `MOST_ACTIVATED` strongest
    of each. One query.
    """
    found: list[dict[UUID, float]] = [{} for _ in seeds]
    rows = [(n, memory_id, of / max(ones.values())) for n, ones in enumerate(seeds) for memory_id, of in ones.items()]
    if not rows:
        return found
    questions, ids, weights = zip(*rows, strict=True)
    params = {
        "questions": sql.Integers(questions), "ids": sql.Ids(ids), "weights": sql.Floats(weights),
        "most": MOST_ACTIVATED,
    }  # fmt: skip
    for place, other, strength in sql.fetch_rows(ACTIVATED, params):
        found[place][other] = strength
    return found


def paths(a: UUID, b: UUID, most: int = 3) -> list[Path]:
    """The shortest ways between two memories, along edges of any direction, strongest first, at most `most` (1–20).

    Up to six edges long, and among the 500 memories that are most strongly tied to either end. One query.
    """
    if a == b:
        return []
    params = {"a": a, "b": b, "ends": MOST_ENDS, "most": min(max(most, 1), 20), "wide": 4}
    return [Path(*row) for row in sql.fetch_rows(PATHS, params)]


def entities(agent_id: UUID, *, limit: int = 200) -> list[Entity]:
    """Who and what an agent's memories name, those that most name first. One query."""
    return [Entity(*row) for row in sql.fetch_rows(ENTITIES, {"agent_id": agent_id, "limit": limit})]


def called(agent_id: UUID, keys: Collection[str]) -> dict[str, tuple[UUID, str, str]]:
    """Id, name and kind of an agent's entities by the keys (`names.key`) among these that they are called by."""
    found = sql.fetch_rows(CALLED, [agent_id, list(keys)]) if keys else []
    return {alias: (entity_id, name, kind) for alias, entity_id, name, kind in found}


def named(memory_ids: Collection[UUID]) -> dict[UUID, list[Named]]:
    """For each of these memories who and what it names, by name; none where it is not linked yet. One query."""
    found: dict[UUID, list[Named]] = {memory_id: [] for memory_id in memory_ids}
    for memory_id, *fields in sql.fetch_rows(NAMED, [sql.Ids(memory_ids)]) if memory_ids else []:
        found[memory_id].append(Named(*fields))
    return found


def memories_of(entity_id: UUID, *, limit: int = 100) -> list[Node]:
    """Its agent's memories that name an entity, newest first. One query."""
    return [Node(*row) for row in sql.fetch_rows(MEMORIES_OF, [entity_id, limit])]


def contents(memory_ids: Collection[UUID]) -> dict[UUID, str]:
    """Texts of memories by id. One query."""
    return dict(sql.fetch_rows(CONTENTS, [sql.Ids(memory_ids)])) if memory_ids else {}

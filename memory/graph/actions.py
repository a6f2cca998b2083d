"""Linking memories: what they name, what came before them, what is recalled together; and letting ties fade.

Ticks only leave word of new memories (a trigger of their table does, in one statement a batch). `link_new` and `fade`
are steps of upkeep: small transactions of their own, safe to run twice and by several processes at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from uuid import UUID

from django.db import transaction

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish
from memory.graph import entities, events, locks, rules
from memory.graph.entities import Known, Text, nobody
from memory.graph.errors import InvalidEdge, InvalidName
from memory.graph.names import LONGEST_NAME, Name, key
from memory.models import MemoryEdge

# Whoever takes them removes them; if it does not come to an end they are there again.
TAKE = """
DELETE FROM memory_unlinked WHERE memory_id IN (
    SELECT memory_id FROM memory_unlinked ORDER BY memory_id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING memory_id
"""
LEAVE = "INSERT INTO memory_unlinked (memory_id) SELECT unnest(%b::uuid[]) ON CONFLICT DO NOTHING"
AGENTS = "SELECT id, agent_id FROM memory_nodes WHERE id = ANY(%b::uuid[])"
# So that they are there when this is over. Whoever removes or closes one just now is not waited for.
READ = """
SELECT id, agent_id, content FROM memory_nodes WHERE id = ANY(%b::uuid[]) ORDER BY id FOR KEY SHARE SKIP LOCKED
"""
# What is linked is to be compared with what is like it. Agents that somebody looks after just now are left alone: they
# are due again by themselves.
NOTE = """
WITH fresh AS (SELECT * FROM unnest(%(ids)b::uuid[], %(agents)b::uuid[]) AS u (memory_id, agent_id)
), forms AS (
    INSERT INTO memory_forms (memory_id, agent_id) SELECT * FROM fresh ON CONFLICT DO NOTHING
), new AS (
    INSERT INTO memory_upkeep (agent_id, due_at, over_budget)
    SELECT DISTINCT agent_id, now() + %(soon)s, 0 FROM fresh ORDER BY 1 ON CONFLICT DO NOTHING
)
UPDATE memory_upkeep SET due_at = now() + %(soon)s WHERE agent_id IN (
    SELECT agent_id FROM memory_upkeep WHERE agent_id IN (SELECT agent_id FROM fresh) AND due_at > now() + %(soon)s
    ORDER BY agent_id FOR NO KEY UPDATE SKIP LOCKED)
"""
KEEP = """
SELECT id FROM memory_nodes WHERE id = ANY(%b::uuid[])
ORDER BY agent_id, content_hash, valid_to FOR KEY SHARE"""
KEEP_FREE = KEEP + " SKIP LOCKED"

# From the earlier to the later, by when they were stored. The strongest of each memory that is linked; ties for several
# reasons are one with their sum. What is linked late finds what came after it, too.
TIES = """
WITH fresh AS MATERIALIZED (
    SELECT id, agent_id, source, inserted_at FROM memory_nodes WHERE id = ANY(%(ids)b::uuid[])
), before AS MATERIALIZED (
    SELECT f.id AS target, p.id AS source, p.place,
           f.source <> '{}' AND p.source = f.source AND p.inserted_at = f.inserted_at AS together
    FROM fresh f, LATERAL (
        SELECT n.id, n.source, n.inserted_at, row_number() OVER (ORDER BY n.id DESC) AS place
        FROM (SELECT id, source, inserted_at FROM memory_nodes
              WHERE agent_id = f.agent_id AND id < f.id ORDER BY id DESC LIMIT %(most_together)s) n
    ) p
), naming AS MATERIALIZED (
    SELECT m.memory_id, m.entity_id, %(shared)s / (1 + ln(c.memories)) AS strength
    FROM fresh f JOIN memory_mentions m ON m.memory_id = f.id,
    LATERAL (SELECT count(*) AS memories FROM (
        SELECT 1 FROM memory_mentions WHERE entity_id = m.entity_id LIMIT %(most_naming)s + 1) few) c
    WHERE c.memories <= %(most_naming)s
), wanted AS (
    SELECT source, target, 'temporal' AS relation, %(next)s AS strength, target AS whose FROM before WHERE place = 1
    UNION ALL
    SELECT source, target, 'associative', %(together)s, target FROM before WHERE together
    UNION ALL
    SELECT o.memory_id, n.memory_id, 'associative', n.strength, n.memory_id FROM naming n, LATERAL (
        SELECT memory_id FROM memory_mentions WHERE entity_id = n.entity_id AND memory_id < n.memory_id
        ORDER BY memory_id DESC LIMIT %(most_shared)s) o
    UNION ALL
    SELECT n.memory_id, o.memory_id, 'associative', n.strength, n.memory_id FROM naming n, LATERAL (
        SELECT memory_id FROM memory_mentions WHERE entity_id = n.entity_id AND memory_id > n.memory_id
            AND memory_id NOT IN (SELECT id FROM fresh)
        ORDER BY memory_id LIMIT %(most_shared)s) o
), summed AS (
    SELECT source, target, relation, least(sum(strength), %(most_formed)s) AS strength, whose
    FROM wanted GROUP BY source, target, relation, whose
)
SELECT source, target, relation, strength FROM (
    SELECT *, row_number() OVER (
        PARTITION BY whose ORDER BY strength DESC, source DESC, target, relation) AS place
    FROM summed
) ranked WHERE place <= %(most_new)s
"""

# Ties that are there already stay as they are when memories are linked again; told anew, the stronger holds.
TIE = """
INSERT INTO memory_edges (id, source_id, target_id, relation, strength, inserted_at, updated_at)
SELECT u.*, now(), now() FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::float8[]) AS u
ON CONFLICT (source_id, target_id, relation) DO """
NEW_TIES = TIE + "NOTHING"
TOLD_TIES = (
    TIE
    + """UPDATE SET strength = greatest(memory_edges.strength, excluded.strength), updated_at = now()
WHERE memory_edges.strength < excluded.strength"""
)

# An edge goes when it is one too many for either end.
TRIM = """
DELETE FROM memory_edges WHERE id IN (
    SELECT id FROM (
        SELECT e.id, row_number() OVER (
            PARTITION BY t.id ORDER BY e.relation = ANY(%b::text[]), e.strength DESC, e.updated_at DESC, e.id DESC
        ) AS place
        FROM unnest(%b::uuid[]) AS t (id), LATERAL (
            SELECT id, relation, strength, updated_at FROM memory_edges WHERE source_id = t.id
            UNION ALL
            SELECT id, relation, strength, updated_at FROM memory_edges WHERE target_id = t.id
        ) e
    ) ranked WHERE place > %s
)
"""

# What an edge's strength has become; it was written at `updated_at`. A clock that went back makes nothing stronger.
_NOW = """strength * CASE WHEN relation = ANY(%(fading)s)
    THEN power(0.5, greatest(0, extract(epoch FROM %(now)s - updated_at)) / %(half_life)s) ELSE 1 END"""
# Whoever fades or strengthens the same edge at this moment has done enough.
STRENGTHEN = f"""
WITH mine AS (
    SELECT id, {_NOW} AS strength FROM memory_edges
    WHERE source_id = ANY(%(ids)b::uuid[]) AND target_id = ANY(%(ids)b::uuid[])
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE memory_edges e SET strength = least(1, m.strength + (1 - m.strength) * %(gain)s), updated_at = %(now)s
FROM mine m WHERE e.id = m.id
"""
FADE = f"""
WITH due AS MATERIALIZED (
    SELECT id, {_NOW} AS strength FROM memory_edges
    WHERE relation IN ('temporal', 'associative', 'spatial', 'conceptual', 'emotional')
      AND updated_at <= %(now)s - %(every)s
    ORDER BY updated_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM memory_edges e USING due d WHERE e.id = d.id AND d.strength < %(floor)s RETURNING 1
), weaker AS (
    UPDATE memory_edges e SET strength = d.strength, updated_at = %(now)s
    FROM due d WHERE e.id = d.id AND d.strength >= %(floor)s RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM weaker)
"""


Tie = tuple[UUID, UUID, str, float]
"""Source, target, relation, strength."""


@dataclass(frozen=True, slots=True)
class NewEdge:
    """A tie that a caller or a model tells of; strength 0 to 1."""

    source_id: UUID
    target_id: UUID
    relation: str
    strength: float = 0.5


@dataclass(frozen=True, slots=True)
class Linked:
    """What one step of linking did."""

    memories: int = 0
    mentions: int = 0
    edges: int = 0
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class Faded:
    """What one step of fading did."""

    faded: int = 0
    removed: int = 0


def link_new(limit: int = rules.MOST_BATCH, *, known: Known = nobody) -> Linked:
    """Take the oldest memories that are not linked yet into the graph; done when it took none.

    A transaction of its own, unless one is open; at most fifteen statements. `known` says which names the world of
    the agents is sure of.
    """
    with transaction.atomic():
        taken = [row[0] for row in sql.fetch_rows(TAKE, [limit])]
        agents = dict(sql.fetch_rows(AGENTS, [sql.Ids(taken)])) if taken else {}
        locks.hold(agents.values())
        texts = [Text(*row) for row in sql.fetch_rows(READ, [sql.Ids(agents)])] if agents else []
        link_again(list(agents.keys() - {text.memory_id for text in texts}))
        _note(texts)
        mentions = entities.mention(texts, known=known)
        edges, trimmed = _tie(NEW_TIES, _ties([text.memory_id for text in texts]), keep=KEEP_FREE)
    return Linked(len(texts), mentions, edges, trimmed)


def _note(texts: Sequence[Text]) -> None:
    """Have upkeep compare memories with others of their agents."""
    if texts:
        ids, agent_ids = sql.Ids(text.memory_id for text in texts), sql.Ids(text.agent_id for text in texts)
        sql.execute(NOTE, {"ids": ids, "agents": agent_ids, "soon": rules.COMPARED_WITHIN})


def _ties(memory_ids: Sequence[UUID]) -> list[Tie]:
    if not memory_ids:
        return []
    params = {
        "ids": sql.Ids(memory_ids), "most_together": rules.MOST_TOGETHER, "most_shared": rules.MOST_SHARED,
        "most_naming": rules.MOST_NAMING, "most_new": rules.MOST_NEW_EDGES, "next": rules.STRENGTH_NEXT,
        "together": rules.STRENGTH_TOGETHER, "shared": rules.STRENGTH_SHARED, "most_formed": rules.MOST_FORMED,
    }  # fmt: skip
    return sql.fetch_rows(TIES, params)


def link_again(memory_ids: Sequence[UUID]) -> None:
    """Have `link_new` take up memories once more, as after their text changed. What they are tied by already stays."""
    if memory_ids:
        sql.execute(LEAVE, [sql.Ids(memory_ids)])


def name(named: Mapping[UUID, Sequence[Name]]) -> int:
    """Tie memories to what a caller or a model says that they name. Returns how many mentions are new.

    Needs an open transaction. Edges to others that name the same come with the next `link_new`. Raises: InvalidName.
    """
    sql.require_transaction("naming")
    for its_name in (one for its_names in named.values() for one in its_names):
        if not (2 <= len(its_name.text) <= LONGEST_NAME and key(its_name.text)):
            raise InvalidName(f"a name has 2 to {LONGEST_NAME} characters, some of them letters or digits")
    agents = dict(sql.fetch_rows(AGENTS, [sql.Ids(named)])) if named else {}
    if missing := named.keys() - agents.keys():
        raise InvalidName(f"there is no memory {min(missing)}")
    locks.hold(agents.values())
    if missing := named.keys() - _kept(named):
        raise InvalidName(f"there is no memory {min(missing)}")
    texts = [Text(memory_id, agents[memory_id], "", its_names) for memory_id, its_names in named.items()]
    link_again(list(named))
    return entities.mention(texts)


def link(edges: Sequence[NewEdge]) -> int:
    """Tie memories as a caller or a model says. Of ties that are there already the stronger holds.

    Needs an open transaction. Five statements. Returns how many are new or stronger. Raises: InvalidEdge.
    """
    sql.require_transaction("linking memories")
    if not edges:
        return 0
    ends = {end for edge in edges for end in (edge.source_id, edge.target_id)}
    agents = dict(sql.fetch_rows(AGENTS, [sql.Ids(ends)]))
    for edge in edges:
        _check(edge, agents)
    locks.hold(agents.values())
    # Each once: a statement cannot touch a row twice.
    strongest: dict[tuple[UUID, UUID, str], float] = {}
    for edge in edges:
        triple = (edge.source_id, edge.target_id, edge.relation)
        strongest[triple] = max(edge.strength, strongest.get(triple, 0.0))
    return tie_again([(*triple, strength) for triple, strength in strongest.items()])


def tie_again(ties: Sequence[Tie]) -> int:
    """Write ties among memories of agents whose graphs are held, each once. Returns how many are new or stronger."""
    return _tie(TOLD_TIES, ties, keep=KEEP)[0]


def recalled_together(memory_ids: Sequence[UUID], *, now: datetime) -> int:
    """Strengthen the ties among memories that were recalled together; those of several agents may come at once.

    One statement; waits for nobody. Returns how many ties there were.
    """
    if len(memory_ids) < 2:
        return 0
    return sql.execute(STRENGTHEN, {"ids": sql.Ids(memory_ids), "gain": rules.GAIN, **_fading(now)})


def fade(now: datetime, limit: int = rules.MOST_FADED) -> Faded:
    """Let the ties that were left alone for longest fade by half a half-life, and go below the floor, which is told.

    A transaction of its own, unless one is open; one statement and the event. Done when both figures are 0.
    """
    with transaction.atomic():
        params = {"every": rules.FADE_EVERY, "limit": limit, "floor": rules.FLOOR, **_fading(now)}
        ((removed, faded),) = sql.fetch_rows(FADE, params)
        if removed:
            days = rules.HALF_LIFE / timedelta(days=1)
            payload = events.EdgesFaded(removed=removed, faded=faded, floor=rules.FLOOR, half_life_days=days)
            publish(NewEvent(events.STREAM, "memory.edges_faded", payload))
    return Faded(faded, removed)


def _fading(now: datetime) -> dict[str, object]:
    return {"now": now, "half_life": rules.HALF_LIFE.total_seconds(), "fading": list(rules.FADING)}


def _kept(memory_ids: Iterable[UUID], statement: str = KEEP) -> set[UUID]:
    """Those of memories that are there, and stay so until the transaction ends."""
    return {row[0] for row in sql.fetch_rows(statement, [sql.Ids(memory_ids)])}


def _tie(statement: str, ties: Sequence[Tie], *, keep: str) -> tuple[int, int]:
    """Write edges and hold their ends to the most that a memory may have. Returns how many were written and trimmed."""
    kept = _kept({end for tie in ties for end in tie[:2]}, keep) if ties else set()
    rows = sorted((tie for tie in ties if tie[0] in kept and tie[1] in kept), key=lambda tie: tie[:3])
    if not rows:
        return 0, 0
    sources, targets, relations, strengths = zip(*rows, strict=True)
    ids = sql.Ids(new_id() for _ in rows)
    written = sql.execute(statement, [ids, sql.Ids(sources), sql.Ids(targets), list(relations), sql.Floats(strengths)])
    if not written:
        return 0, 0
    ends = sql.Ids({*sources, *targets})
    return written, sql.execute(TRIM, [list(rules.FADING), ends, rules.MOST_EDGES])


def _check(edge: NewEdge, agents: Mapping[UUID, UUID]) -> None:
    if edge.relation not in MemoryEdge.Relation.values:
        raise InvalidEdge(f"relation: one of {', '.join(MemoryEdge.Relation.values)}")
    if not (isfinite(edge.strength) and 0 <= edge.strength <= 1):
        raise InvalidEdge("strength is 0 to 1")
    if edge.source_id == edge.target_id:
        raise InvalidEdge("a memory has no tie to itself")
    for end in (edge.source_id, edge.target_id):
        if end not in agents:
            raise InvalidEdge(f"there is no memory {end}")
    if agents[edge.source_id] != agents[edge.target_id]:
        raise InvalidEdge("both memories are the same agent's")

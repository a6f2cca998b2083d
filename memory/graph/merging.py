"""When memories become one: what hung on those that go hangs on the one that stays."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from domains import sql
from memory.graph import actions, locks
from memory.graph.errors import InvalidEdge

EDGES = """
DELETE FROM memory_edges WHERE source_id = ANY(%(gone)b::uuid[]) OR target_id = ANY(%(gone)b::uuid[])
RETURNING source_id, target_id, relation, strength
"""
MENTIONS = """
INSERT INTO memory_mentions (entity_id, memory_id)
SELECT DISTINCT m.entity_id, u.kept FROM unnest(%b::uuid[], %b::uuid[]) AS u (gone, kept)
JOIN memory_mentions m ON m.memory_id = u.gone ON CONFLICT DO NOTHING
"""
FACTS = """
UPDATE memory_facts f SET memory_id = u.kept, updated_at = now()
FROM unnest(%b::uuid[], %b::uuid[]) AS u (gone, kept) WHERE f.memory_id = u.gone
"""


def take_over(into: Mapping[UUID, UUID]) -> int:
    """Move ties, mentions and facts of memories (keys) to those that stay (values); whoever calls removes the former.

    Of ties that become one, the stronger stays; what the two were tied by to each other goes. One that stays must not
    be one that goes. Needs an open transaction; seven statements. Returns how many ties moved. Raises: InvalidEdge.
    """
    sql.require_transaction("merging what is linked")
    if not into:
        return 0
    agents = dict(sql.fetch_rows(actions.AGENTS, [sql.Ids({*into, *into.values()})]))
    for gone, kept in into.items():
        if gone not in agents or agents.get(kept) != agents[gone] or kept in into:
            raise InvalidEdge(f"{gone} cannot go into {kept}: both must be there, one agent's, and the latter stay")
    locks.hold(agents.values())
    moved: dict[tuple[UUID, UUID, str], float] = {}
    for source, target, relation, strength in sql.fetch_rows(EDGES, {"gone": sql.Ids(into)}):
        triple = (into.get(source, source), into.get(target, target), relation)
        if triple[0] != triple[1]:
            moved[triple] = max(strength, moved.get(triple, 0.0))
    pairs = [sql.Ids(into.keys()), sql.Ids(into.values())]
    sql.execute(MENTIONS, pairs)
    sql.execute(FACTS, pairs)
    return actions.tie_again([(*triple, strength) for triple, strength in moved.items()])

"""Names that an agent's world is sure of: of its agents and zones. Reads columns of tables that are not ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from domains import sql
from memory.graph.names import PERSON, PLACE

MOST = 5_000
"""Names of one world: its zones, and then its agents in their order."""

WORLDS = "SELECT id, world_id FROM pac_agents WHERE id = ANY(%b::uuid[])"
NAMES = """
SELECT w.id, f.name, f.kind FROM unnest(%(worlds)b::uuid[]) AS w (id), LATERAL (
    (SELECT name, %(place)s AS kind FROM pac_zones WHERE world_id = w.id ORDER BY ordinal LIMIT %(most)s)
    UNION ALL
    (SELECT name, %(person)s FROM pac_agents WHERE world_id = w.id ORDER BY ordinal LIMIT %(most)s)
    LIMIT %(most)s
) f
"""


def known(agent_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, str]]:
    """Kind by name, for each agent; agents of one world share it. Two queries."""
    if not agent_ids:
        return {}
    worlds = dict(sql.fetch_rows(WORLDS, [sql.Ids(agent_ids)]))
    names: dict[UUID, dict[str, str]] = {world_id: {} for world_id in worlds.values()}
    params = {"worlds": sql.Ids(names), "place": PLACE, "person": PERSON, "most": MOST}
    for world_id, name, kind in sql.fetch_rows(NAMES, params):
        names[world_id].setdefault(name, kind)
    return {agent_id: names[world_id] for agent_id, world_id in worlds.items()}

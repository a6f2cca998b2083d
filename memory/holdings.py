"""What agents remember. A memory of whom is forgotten goes as a whole: it is no log, and nothing counts by it.

Something in its place would be embedded, recalled and shown to models, would be equal to the next one of the same
agent, and would say that there was something to forget. What the graph knows by another name goes with it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domains import sql
from domains.redaction import Subject, harmless, register
from domains.redaction.rules import JSONB, NAMED
from domains.redaction.tables import Key, Table
from memory.graph import locks
from memory.graph.names import key

HERE = "t.agent_id IN (SELECT id FROM pac_agents WHERE world_id = %(world)s)"
MINE = "t.agent_id = %(agent)s::uuid"
# Of an entity that is called by one of the names, whatever a memory calls it.
MEANT = f"""({MINE} OR t.id IN (
    SELECT m.memory_id FROM memory_mentions m JOIN memory_entity_aliases a ON a.entity_id = m.entity_id
    WHERE a.agent_id = t.agent_id AND a.alias = ANY(%(aliases)s)))"""
CALLED = f"""({MINE} OR EXISTS (
    SELECT 1 FROM memory_entity_aliases a WHERE a.entity_id = t.id AND a.alias = ANY(%(aliases)s)))"""

AGENTS_OF = "SELECT DISTINCT agent_id FROM {table} WHERE id = ANY(%b::uuid[])"
EDGES = "DELETE FROM memory_edges WHERE source_id = ANY(%(ids)b::uuid[]) OR target_id = ANY(%(ids)b::uuid[])"
UNLINKED = "DELETE FROM memory_unlinked WHERE memory_id = ANY(%b::uuid[])"


class _Remembered(Table):
    """Rows of the vault, with the graphs of their agents held."""

    def __init__(self, table: str, **options: Any) -> None:
        super().__init__(table, key={"id": "uuid"}, removes="concerned", scope=HERE, lock=self._hold, **options)

    def bound(self, subject: Subject) -> tuple[str, dict[str, Any]]:
        return "true", {"aliases": [key(name) for name in subject.words.names]}

    def _hold(self, keys: list[Key]) -> None:
        ids = [UUID(one[0]) for one in keys]
        locks.hold(row[0] for row in sql.fetch_rows(AGENTS_OF.format(table=self.table), [sql.Ids(ids)]))


class Memories(_Remembered):
    """Memories with their ties; mentions go by themselves, and facts stay for their own table."""

    def remove(self, leaf: str, keys: list[Key]) -> None:
        """Ties first: their foreign keys know no cascade in the database."""
        ids = sql.Ids(UUID(one[0]) for one in keys)
        sql.execute(EDGES, {"ids": ids})
        sql.execute(UNLINKED, [ids])
        super().remove(leaf, keys)


register(
    Memories(
        "memory_nodes", own=MEANT, secret=["embedding", "signature", "content_hash"],
        columns={"content": NAMED, "summary": NAMED, "tags": JSONB, "source": JSONB, "sources": JSONB},
    ),
    _Remembered(
        "memory_facts", own=MINE, columns={"subject": NAMED, "relation": NAMED, "value": NAMED},
        secret=["subject_key", "relation_key"],
    ),
    # After the memories, which are looked for by the entities that they name.
    _Remembered("memory_entities", own=CALLED, columns={"name": NAMED}, order=1),
    Table(
        "memory_entity_aliases", key={"agent_id": "uuid", "alias": "text"}, columns={"alias": NAMED}, scope=HERE,
        removes="concerned", order=2,
    ),
)  # fmt: skip
harmless("memory_nodes", "embedder", "kind")
harmless("memory_edges", "relation")
# It goes with its memory.
harmless("memory_forms", "form")
harmless("memory_entities", "kind")

"""What an agent knows of others, as lines of its memory file: entities with the memories that name them, and facts.

They come after the memories, whose ids they use; `exchange` reads and writes the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domains import sql
from memory.graph import actions, facts, names
from memory.graph.facts import NewFact
from memory.graph.names import Name
from memory.owners import Owner

ENTITIES = """
SELECT 'entity' AS what, e.name, e.kind,
       coalesce((SELECT json_agg(a.alias ORDER BY a.alias) FROM memory_entity_aliases a
                 WHERE a.agent_id = e.agent_id AND a.entity_id = e.id), '[]') AS aliases,
       coalesce((SELECT json_agg(m.memory_id ORDER BY m.memory_id) FROM memory_mentions m
                 WHERE m.entity_id = e.id), '[]') AS memories
FROM memory_entities e WHERE e.agent_id = %s ORDER BY e.id
"""
# What another fact replaced at the very instant from which it held is left behind: it never was so.
FACTS = """
SELECT 'fact' AS what, subject, relation, value, memory_id, valid_from, valid_to FROM memory_facts
WHERE agent_id = %s AND valid_to IS DISTINCT FROM valid_from ORDER BY valid_from, id
"""
ALIASES = """
INSERT INTO memory_entity_aliases (agent_id, alias, entity_id)
SELECT a.agent_id, u.alias, a.entity_id FROM unnest(%s::text[], %s::text[]) AS u (key, alias)
JOIN memory_entity_aliases a ON a.agent_id = %s AND a.alias = u.key
ON CONFLICT DO NOTHING
"""
MINE = "SELECT id FROM memory_nodes WHERE agent_id = %s AND id = ANY(%s)"
NO_NUL = r"^[^\x00]*$"
BATCH = 500
"""Memories that are tied to a name at once."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EntityLine(_Line):
    """Somebody or something that memories name. `aliases` are forms in which names are compared."""

    what: Literal["entity"]
    name: Annotated[str, Field(min_length=2, max_length=names.LONGEST_NAME, pattern=NO_NUL)]
    kind: Literal["person", "place", "thing"]
    aliases: list[Annotated[str, Field(min_length=1, max_length=names.LONGEST_KEY, pattern=NO_NUL)]] = []
    memories: list[UUID] = []


class FactLine(_Line):
    """A fact, and the memory that it is from. Limits of texts are those of facts."""

    what: Literal["fact"]
    subject: str
    relation: str
    value: str
    memory_id: UUID | None = None
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None


LINES: Mapping[str, type[EntityLine] | type[FactLine]] = {"entity": EntityLine, "fact": FactLine}


def bring_entity(owner: Owner, line: EntityLine, moved: Mapping[UUID, UUID]) -> int:
    """Tie an agent's memories to a name. Returns how many ties are new. Needs an open transaction.

    `moved` says for ids of the file what they are here; memories that are not the agent's are passed over. One of
    the same name that is there already is the same. Raises: VaultError.
    """
    wanted = sorted({moved.get(one, one) for one in line.memories})
    named = Name(line.name, line.kind)
    count = 0
    for some in _parts(wanted):
        mine = [row[0] for row in sql.fetch_rows(MINE, [owner.id, some])]
        count += actions.name({one: [named] for one in mine})
    aliases = [alias for alias in line.aliases if names.key(alias) == alias]
    sql.execute(ALIASES, [[named.key] * len(aliases), aliases, owner.id])
    return count


def bring_facts(owner: Owner, lines: Sequence[FactLine], moved: Mapping[UUID, UUID], now: datetime) -> int:
    """Let an agent learn facts, in this order. Returns how many. Needs an open transaction. Raises: VaultError."""
    wanted = [moved.get(line.memory_id, line.memory_id) if line.memory_id else None for line in lines]
    mine = {row[0] for row in sql.fetch_rows(MINE, [owner.id, [one for one in wanted if one]])}
    given = [
        NewFact(owner.id, line.subject, line.relation, line.value, one if one in mine else None,
                line.valid_from, line.valid_to)
        for line, one in zip(lines, wanted, strict=True)
    ]  # fmt: skip
    return len(facts.learn(given, now=now))


def _parts(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield list(ids[start : start + BATCH])

"""Writing down who and what is named in memories. Whoever calls holds the agents' locks (`locks.hold`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domains import sql
from domains.ids import new_id
from memory.graph import directory, names
from memory.graph.directory import Directory, Entity, KnownNames
from memory.graph.names import Name

Known = Callable[[Sequence[UUID]], Mapping[UUID, Mapping[str, str]]]
"""Agents' ids in; for each, names that are surely names (of its world's agents and zones) and their kinds."""

# The names themselves, and a few that begin with them.
LOOK_UP = """
SELECT q.agent_id, f.alias, e.id, e.name, e.kind
FROM unnest(%b::uuid[], %b::text[], %b::bool[]) AS q (agent_id, key, wide), LATERAL (
    SELECT alias, entity_id FROM memory_entity_aliases WHERE agent_id = q.agent_id AND alias = q.key
    UNION ALL
    (SELECT alias, entity_id FROM memory_entity_aliases
     WHERE q.wide AND length(q.key) >= 3 AND agent_id = q.agent_id
       AND alias > q.key AND alias < q.key || chr(1114111)
     ORDER BY alias LIMIT 8)
) f JOIN memory_entities e ON e.id = f.entity_id
"""
MAKE = """
INSERT INTO memory_entities (id, agent_id, name, kind)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[]) ON CONFLICT DO NOTHING
"""
ALIASES = """
INSERT INTO memory_entity_aliases (agent_id, alias, entity_id)
SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[]) ON CONFLICT DO NOTHING
"""
BETTER = """
UPDATE memory_entities e SET name = u.name, kind = u.kind, updated_at = now()
FROM unnest(%b::uuid[], %b::text[], %b::text[]) AS u (id, name, kind) WHERE e.id = u.id
"""
# Whoever was removed meanwhile is not named.
MENTIONS = """
INSERT INTO memory_mentions (entity_id, memory_id)
SELECT u.entity_id, u.memory_id FROM unnest(%b::uuid[], %b::uuid[]) AS u (entity_id, memory_id)
JOIN memory_nodes n ON n.id = u.memory_id
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Text:
    """A memory as far as names are concerned. `named` is what its caller or a model names beside the text."""

    memory_id: UUID
    agent_id: UUID
    content: str
    named: Sequence[Name] = ()


def nobody(agent_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, str]]:
    """The `Known` of callers who know no names."""
    return {}


def mention(texts: Sequence[Text], *, known: Known = nobody) -> int:
    """Find and write down the entities of memories. At most five statements. Returns how many mentions are new.

    Needs an open transaction and the agents' locks.
    """
    sql.require_transaction("writing down who is named")
    if not texts:
        return 0
    sure = _sure(texts, known)
    found = [(text, [*text.named, *names.find(text.content, sure[text.agent_id])]) for text in texts]
    found = [(text, its_names) for text, its_names in found if its_names]
    if not found:
        return 0
    directories = _look_up(found, sure)
    pairs = [
        (entity.id, text.memory_id)
        for text, its_names in found
        for entity in directories[text.agent_id].all_meant(its_names)
    ]
    _write(directories)
    return sql.execute(MENTIONS, _columns(pairs, sql.Ids, sql.Ids)) if pairs else 0


def _sure(texts: Sequence[Text], known: Known) -> dict[UUID, KnownNames]:
    """What each agent's world is sure of; reckoned once for all agents that share it."""
    agents = list(dict.fromkeys(text.agent_id for text in texts))
    told = known(agents)
    worlds = {id(of): of for of in told.values()}
    shared = {which: directory.known_names(of) for which, of in worlds.items()}
    return {agent_id: shared[id(told[agent_id])] if agent_id in told else {} for agent_id in agents}


def _look_up(found: Sequence[tuple[Text, Sequence[Name]]], sure: Mapping[UUID, KnownNames]) -> dict[UUID, Directory]:
    by_agent: dict[UUID, list[Name]] = {}
    for text, its_names in found:
        by_agent.setdefault(text.agent_id, []).extend(its_names)
    directories = {agent_id: Directory(known=sure[agent_id], make_id=new_id) for agent_id in by_agent}
    asked = [(agent_id, *ask) for agent_id, its_names in by_agent.items() for ask in directory.lookups(its_names)]
    entities: dict[UUID, Entity] = {}
    for agent_id, alias, entity_id, name, kind in sql.fetch_rows(LOOK_UP, _columns(asked, sql.Ids, list, list)):
        entity = entities.setdefault(entity_id, Entity(entity_id, name, kind))
        directories[agent_id].entities[alias] = entity
    return directories


def _write(directories: Mapping[UUID, Directory]) -> None:
    aliases = [(agent_id, alias, e) for agent_id, d in directories.items() for alias, e in d.new_aliases.items()]
    made = {e.id: (e.id, agent_id, e.name, e.kind) for agent_id, _, e in aliases if e.fresh}
    everybody = {e.id: e for d in directories.values() for e in d.entities.values()}
    changed = sorted((e.id, e.name, e.kind) for e in everybody.values() if e.changed and not e.fresh)
    if made:
        sql.execute(MAKE, _columns(made.values(), sql.Ids, sql.Ids, list, list))
    if aliases:
        rows = [(agent_id, alias, e.id) for agent_id, alias, e in aliases]
        sql.execute(ALIASES, _columns(rows, sql.Ids, list, sql.Ids))
    if changed:
        sql.execute(BETTER, _columns(changed, sql.Ids, list, list))


def _columns(rows: Iterable[Sequence[object]], *kinds: type[list]) -> list[object]:
    """Rows as one array a column."""
    return [kind(column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]

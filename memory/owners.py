"""Whose memories are meant: agents and worlds by name, for doors. Reads two columns of tables that are not ours."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from uuid import UUID

from domains import sql
from memory.errors import VaultError

AGENTS = """
SELECT a.id, a.name, w.name FROM pac_agents a JOIN worlds w ON w.id = a.world_id
WHERE (a.id = %(id)s OR (%(id)s::uuid IS NULL AND a.name = %(name)s))
  AND (%(world)s::text IS NULL OR w.name = %(world)s)
ORDER BY w.name LIMIT 2
"""
NAMES = """
SELECT DISTINCT a.name FROM pac_agents a JOIN worlds w ON w.id = a.world_id
WHERE %(world)s::text IS NULL OR w.name = %(world)s LIMIT 10000
"""


class NobodyMeant(VaultError):
    """There is no agent or world of that name, or there are several."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Owner:
    """An agent."""

    id: UUID
    name: str
    world: str


def agent(name_or_id: str, *, world: str | None = None) -> Owner:
    """One agent by id, or by name (in a world, when several have one). Raises: NobodyMeant."""
    found = sql.fetch_rows(AGENTS, {"id": _id(name_or_id), "name": name_or_id, "world": world})
    where = f" in {world}" if world else ""
    if not found:
        known = [row[0] for row in sql.fetch_rows(NAMES, {"world": world})]
        near = get_close_matches(name_or_id, known, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise NobodyMeant(f"there is no agent {name_or_id!r}{where}{hint}")
    if len(found) > 1:
        raise NobodyMeant(f"several worlds have an agent {name_or_id!r}: name the world")
    return Owner(*found[0])


def world(name: str) -> UUID:
    """A world's id. Raises: NobodyMeant."""
    found = sql.fetch_rows("SELECT id FROM worlds WHERE name = %s", [name])
    if not found:
        raise NobodyMeant(f"there is no world {name!r}")
    return UUID(str(found[0][0]))


def of_world(world_id: UUID) -> list[UUID]:
    """Ids of a world's agents, in no order."""
    return [row[0] for row in sql.fetch_rows("SELECT id FROM pac_agents WHERE world_id = %s", [world_id])]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Reading the figures. No more than a row an agent or a world is read, however many memories there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domains import sql
from memory.health import counting
from memory.health.counting import Counts
from memory.models.health import NEVER

_COUNTS = "memories, stored, merged, near_duplicates, junk, recalls, hits"
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::int8" for name in _COUNTS.split(", "))
AGENT = f"SELECT {_COUNTS}, refreshed_at FROM memory_health WHERE agent_id = %s"
WORLD = f"SELECT {_COUNTS}, refreshed_at FROM memory_health_worlds WHERE world_id = %s"
ALL = f"SELECT {_SUMS}, min(refreshed_at) FROM memory_health_worlds"
WORLDS = f"""
SELECT w.name, h.* FROM (
    SELECT world_id, {_COUNTS}, refreshed_at FROM memory_health_worlds ORDER BY memories DESC, world_id LIMIT %s
) h JOIN worlds w ON w.id = h.world_id ORDER BY w.name
"""


@dataclass(slots=True)
class Health(Counts):
    """Counts and rates, as of `refreshed_at`; None: they were not counted yet."""

    refreshed_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Rates first, then what they come from."""
        rates = {name: getattr(self, name) for name in ("junk_rate", "duplicate_rate", "hit_rate")}
        counts = {name: getattr(self, name) for name in _COUNTS.split(", ")}
        return {**rates, **counts, "refreshed_at": self.refreshed_at}


def health(agent_id: UUID | None = None, world_id: UUID | None = None, *, live_at: datetime | None = None) -> Health:
    """The figures of an agent, of a world, or of all, as upkeep last counted them. One query of one row.

    `live_at`, the present instant, counts an agent's anew, over all of its rows, and writes nothing.
    """
    if agent_id is not None and live_at is not None:
        counted = counting.count([agent_id])[agent_id]
        return Health(**asdict(counted), refreshed_at=live_at)
    if agent_id is not None:
        rows = sql.fetch_rows(AGENT, [agent_id])
    else:
        rows = sql.fetch_rows(WORLD, [world_id]) if world_id is not None else sql.fetch_rows(ALL)
    return _health(rows[0]) if rows else Health()


def health_by_world(limit: int = 50) -> dict[str, Health]:
    """The figures of the worlds with most memories, by name. One query."""
    return {name: _health(row) for name, _, *row in sql.fetch_rows(WORLDS, [limit])}


def _health(row: Any) -> Health:
    *counts, at = row
    return Health(**dict(zip(_COUNTS.split(", "), counts, strict=True)), refreshed_at=None if at == NEVER else at)

"""What worlds and zones hold about agents and people: names in texts, world files, notices and happenings."""

from __future__ import annotations

from uuid import UUID

from domains.redaction import harmless, register
from domains.redaction.rules import ITEMS_B, JSONB, LABEL, TEXT, UNIQUE
from domains.redaction.tables import Key, Table
from zones.actions import places

HERE = "t.zone_id IN (SELECT id FROM pac_zones WHERE world_id = %(world)s)"


def _lock(keys: list[Key]) -> None:
    places.lock_many(UUID(key[0]) for key in keys)


register(
    Table("worlds", key={"id": "uuid"}, columns={"name": UNIQUE, "description": TEXT}, scope="t.id = %(world)s"),
    Table(
        "world_sources", key={"world_id": "uuid"}, columns={"content": JSONB}, batch=20, scope="t.world_id = %(world)s"
    ),
    # Ticks write the row under the zone's lock.
    Table(
        "pac_zones", key={"id": "uuid"}, columns={"name": UNIQUE, "description": TEXT, "happenings": ITEMS_B},
        scope="t.world_id = %(world)s", lock=_lock, batch=200,
    ),
    Table(
        "zone_notices", key={"id": "uuid"}, columns={"author": LABEL, "text": TEXT}, scope=HERE,
        own="t.author = ANY(%(labels)s)",
    ),
)  # fmt: skip
harmless("worlds", "access", "status")
harmless("pac_zones", "regeneration")

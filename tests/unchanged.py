"""Whether anything was changed: what people can change, whatever door they come by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

TABLES = ("worlds", "worlds_members", "pac_zones", "zone_neighbours", "pac_agents", "pac_mods", "memory_nodes",
          "agent_messages", "blackboard_entries", "api_keys", "memory_grants", "users", "tick_logs")  # fmt: skip
# Who is present and which node serves them is not a change, nor when a key or an account was last seen.
LIVE = ("active_session_count", "assigned_server", "last_used_at", "last_login")


def state() -> dict[str, str]:
    """A digest of each table's rows."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                f"SELECT coalesce(md5(string_agg(row, '' ORDER BY row)), '') "
                f"FROM (SELECT (to_jsonb(t) - %s::text[])::text AS row FROM {table} t) rows",
                [list(LIVE)],
            )
            found[table] = cursor.fetchone()[0]
    return found


@contextmanager
def unchanged() -> Iterator[None]:
    """Fails when a block has changed something."""
    before = state()
    yield
    after = state()
    assert after == before, [table for table in TABLES if after[table] != before[table]]

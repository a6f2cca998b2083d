"""How large the database is, and how busy. Sizes are those of files; nothing here looks into a table."""

from __future__ import annotations

from dataclasses import dataclass

from domains import sql


@dataclass(frozen=True, slots=True)
class Table:
    """A table with all its partitions, in bytes. `rows` is the planner's estimate, None before it was made.

    `leaves` are its partitions.
    """

    name: str
    rows: int | None
    data_bytes: int
    index_bytes: int
    leaves: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.data_bytes + self.index_bytes


@dataclass(frozen=True, slots=True)
class Database:
    """The database as it is now. Connections are of all its users; `longest_s` is the oldest open transaction's age.

    `wal_bytes` is the size of the write-ahead log on disk; None when this role may not ask.
    """

    bytes: int
    connections: int
    active: int
    in_transaction: int
    most_connections: int
    longest_s: float
    wal_bytes: int | None


TABLES = """
SELECT root::regclass::text, sum(nullif(reltuples, -1))::bigint, sum(pg_table_size(oid))::bigint,
       sum(pg_indexes_size(oid))::bigint, count(*) FILTER (WHERE relispartition AND relkind = 'r')::int
FROM (SELECT oid, reltuples, relispartition, relkind, coalesce(pg_partition_root(oid), oid) AS root
      FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'm')) tables
GROUP BY root ORDER BY sum(pg_table_size(oid)) + sum(pg_indexes_size(oid)) DESC, 1 LIMIT %s
"""

NOW = """
SELECT pg_database_size(current_database()),
       count(*), count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state LIKE 'idle in transaction%%'),
       current_setting('max_connections')::int,
       coalesce(extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE pid <> pg_backend_pid())), 0)::float8,
       has_function_privilege('pg_ls_waldir()', 'EXECUTE')
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""  # noqa: E501

WAL = "SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()"


def tables(limit: int = 12) -> list[Table]:
    """The largest tables, the largest first. One query of the catalogue."""
    return [Table(*row) for row in sql.fetch_rows(TABLES, [limit])]


def now() -> Database:
    """Two queries, one for a role that may not look at the log's folder."""
    (*found, may_see_wal) = sql.fetch_rows(NOW)[0]
    wal = int(sql.fetch_rows(WAL)[0][0]) if may_see_wal else None
    return Database(*[*found, wal])

"""Reading the blackboard as it lies. An entry whose time is over is not there, swept or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domains import sql
from domains.thunderflow.blackboard import keys

MOST = 10_000
"""Entries that one query returns at most."""
LOOKED_AT = 2_000
"""How far both ends of a pattern are counted, to go by the one that names fewer keys."""
LAST = chr(0x10FFFF)

FIELDS = "key, value, version, author, expires_at, updated_at"
LIVE = "(expires_at IS NULL OR expires_at > statement_timestamp())"

GET = f"SELECT {FIELDS} FROM blackboard_entries WHERE key = ANY(%s) AND {LIVE}"

# Along the primary key, whose order is that of the answer: it ends when there is enough.
BY_KEY = f"""
SELECT {FIELDS} FROM blackboard_entries
WHERE key >= %(low)s AND key < %(high)s AND key > %(after)s AND '.' || key ~ %(regex)s AND {LIVE}
ORDER BY key LIMIT %(limit)s
"""

# Fenced, or the planner would rather walk along the primary key until it has met enough.
BY_SUFFIX = f"""
WITH found AS MATERIALIZED (
    SELECT {FIELDS} FROM blackboard_entries
    WHERE reverse(key) >= %(low)s AND reverse(key) < %(high)s AND key > %(after)s AND '.' || key ~ %(regex)s AND {LIVE}
)
SELECT {FIELDS} FROM found ORDER BY key LIMIT %(limit)s
"""

# A prepared statement is planned without its values; so which end is the better one is asked.
FEWER = f"""
SELECT (SELECT count(*) FROM (SELECT FROM blackboard_entries
                              WHERE key >= %s AND key < %s ORDER BY key LIMIT {LOOKED_AT}) a)
     > (SELECT count(*) FROM (SELECT FROM blackboard_entries
                              WHERE reverse(key) >= %s AND reverse(key) < %s ORDER BY reverse(key) LIMIT {LOOKED_AT}) b)
"""

NAMESPACES = "SELECT name, owner, writers FROM blackboard_namespaces ORDER BY name"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is. `expires_at` and `updated_at` are aware UTC."""

    key: str
    value: Any
    version: int
    author: str
    expires_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace with its rules: `writers` is `everybody` or `owner`."""

    name: str
    owner: str
    writers: str


def get(key: str) -> Entry | None:
    """One entry, or None. Raises: BadKey."""
    return get_many([key]).get(key)


def get_many(wanted: Sequence[str]) -> dict[str, Entry]:
    """Those of these entries that there are, by key; one query. Raises: BadKey."""
    rows = sql.fetch_rows(GET, [[keys.check_key(key) for key in wanted]])
    return {row[0]: Entry(*row) for row in rows}


def query(pattern: str, *, limit: int = 100, after: str = "") -> list[Entry]:
    """Entries that the pattern names, by key (by code point), at most `limit`; those behind the key `after`.

    Goes by an index when either end of the pattern is words; with wildcards at both, it walks through all entries.
    One query, two when both ends are words. Raises: patterns.BadPattern.
    """
    ends = keys.ends(pattern)
    limits = {"regex": ends.regex, "after": after, "limit": max(0, min(limit, MOST))}
    if ends.suffix and (ends.prefix is None or _suffix_is_better(ends)):
        low, high = ends.suffix
        return [Entry(*row) for row in sql.fetch_rows(BY_SUFFIX, limits | {"low": low, "high": high})]
    low, high = ends.prefix or ("", LAST)
    return [Entry(*row) for row in sql.fetch_rows(BY_KEY, limits | {"low": low, "high": high})]


def _suffix_is_better(ends: keys.Ends) -> bool:
    if ends.prefix is None or ends.suffix is None or ends.prefix[0] == ends.suffix[0][::-1]:
        return False
    return bool(sql.fetch_rows(FEWER, [*ends.prefix, *ends.suffix])[0][0])


def namespaces() -> list[Namespace]:
    """All namespaces, by name."""
    return [Namespace(*row) for row in sql.fetch_rows(NAMESPACES)]


def namespace(name: str) -> Namespace | None:
    """One namespace, or None."""
    rows = sql.fetch_rows("SELECT name, owner, writers FROM blackboard_namespaces WHERE name = %s", [name])
    return Namespace(*rows[0]) if rows else None

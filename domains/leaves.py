"""Leaves of tables that are partitioned by range: which there are, and letting whole ones go while others work.

A leaf goes in three steps, each of which may be the last that a process takes:

    marked (a comment says why) ──DETACH … CONCURRENTLY──► a table of its own ──DROP, with its event──► gone

Detaching concurrently commits in between and waits for those who use the table without holding anybody up. Whoever
comes next finds a detach that is pending and finalises it, and drops marked tables that belong to nothing any more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import psycopg
from django.db import DatabaseError, OperationalError, connection, transaction

from domains import sql
from domains.retention import Busy, Gone, Limits, Piece, Store, Tell, overdue

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "3s"

ATTACHED = r"""
SELECT c.relname, substring(b.bound FROM $$FROM \('([^']*)'\)$$), substring(b.bound FROM $$TO \('([^']*)'\)$$),
       i.inhdetachpending, coalesce(pg_total_relation_size(c.oid), 0),
       greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, LATERAL pg_get_expr(c.relpartbound, c.oid) AS b (bound)
WHERE i.inhparent = %s::regclass
"""

# A leaf that is still where it was: whoever marked it did not come to the detach.
MARKED = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass AND NOT i.inhdetachpending AND obj_description(c.oid, 'pg_class') LIKE %s
"""

# Only what was marked here: a table that an operator detached stays.
DETACHED = """
SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
  AND obj_description(c.oid, 'pg_class') LIKE %s ORDER BY c.relname
"""

MEASURE = """
SELECT pg_total_relation_size(c.oid), greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0)
FROM pg_class c WHERE c.oid = %s::regclass
"""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One partition. The bounds are as PostgreSQL writes them; `low` belongs to it, `high` does not."""

    name: str
    low: str
    high: str
    pending: bool
    """Whether somebody began to detach it and did not come to the end."""
    bytes: int
    rows: int
    """An estimate."""


def attached(table: str) -> list[Leaf]:
    """A table's leaves, in no order. One query of the catalogue."""
    return [Leaf(*row) for row in sql.fetch_rows(ATTACHED, [table])]


def detach(table: str, leaf: str, *, reason: str) -> None:
    """Take a leaf out of its table. Readers and writers go on. Raises: Busy; the next `finish` goes on from there."""
    try:
        with _impatient():
            _run(f"COMMENT ON TABLE {_quoted(leaf)} IS '{_mark(table)}{reason}'")
            _run(f"ALTER TABLE {_quoted(table)} DETACH PARTITION {_quoted(leaf)} CONCURRENTLY")
    except Busy:
        unmark(table)
        raise


def unmark(table: str) -> None:
    """Take the marks off leaves that are still there and stay: an operator may detach one to keep it. Raises: Busy."""
    for (leaf,) in sql.fetch_rows(MARKED, [table, f"{_mark(table)}%"]):
        with _impatient():
            _run(f"COMMENT ON TABLE {_quoted(leaf)} IS NULL")


def finalize(table: str) -> None:
    """Complete a detach that is pending; a table has one at most. Raises: Busy."""
    for leaf in attached(table):
        if leaf.pending:
            with _impatient():
                _run(f"ALTER TABLE {_quoted(table)} DETACH PARTITION {_quoted(leaf.name)} FINALIZE")


def detached(table: str) -> list[tuple[str, str]]:
    """Leaves that were let go and still lie there, each with the reason."""
    mark = _mark(table)
    return [(name, text.removeprefix(mark)) for name, text in sql.fetch_rows(DETACHED, [f"{mark}%"])]


def drop(leaf: str, *, reason: str, tell: Tell) -> None:
    """Drop a detached leaf and tell it, in one transaction. Raises: Busy."""
    with _translated(), transaction.atomic():
        sql.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        size, rows = sql.fetch_rows(MEASURE, [leaf])[0]
        _run(f"DROP TABLE {_quoted(leaf)}")
        tell(Gone(leaf, rows, size, reason))


def _mark(table: str) -> str:
    return f"let go from {table}: "


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _impatient() -> Iterator[None]:
    """Statements of this session wait for no lock longer than two seconds. Raises: Busy."""
    _run(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    _run(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
    try:
        with _translated():
            yield
    except (Busy, DatabaseError, psycopg.Error):
        raise
    except BaseException:
        connection.close()  # a task's time was over, perhaps in the middle of a statement
        raise
    finally:
        if connection.connection is not None:
            _run("RESET lock_timeout")
            _run("RESET statement_timeout")


@contextmanager
def _translated() -> Iterator[None]:
    waits = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected)
    try:
        yield
    except waits as error:
        raise Busy(str(error).strip()) from error
    except OperationalError as error:
        if isinstance(error.__cause__, waits):
            raise Busy(str(error).strip()) from error
        raise


class LeafStore(Store):
    """A store whose pieces are leaves."""

    table: ClassVar[str]

    @abstractmethod
    def pieces(self, leaves: list[Leaf], now: datetime) -> list[Piece]:
        """The leaves that are complete, oldest first, with who holds them. Never the one in use."""

    def size_bytes(self) -> int:
        """Of all leaves."""
        return sum(leaf.bytes for leaf in attached(self.table))

    def due(self, limits: Limits, now: datetime) -> list[Piece]:
        """The oldest leaves, by age or while all are above the ceiling."""
        leaves = [leaf for leaf in attached(self.table) if not leaf.pending]
        return overdue(
            self.pieces(leaves, now),
            before=limits.before(now),
            max_bytes=limits.max_bytes,
            size=sum(leaf.bytes for leaf in leaves),
        )

    def let_go(self, piece: Piece, tell: Tell) -> None:
        """Detach and drop. Raises: Busy."""
        detach(self.table, piece.name, reason=piece.reason)
        drop(piece.name, reason=piece.reason, tell=tell)

    def finish(self, tell: Tell) -> None:
        """Leaves that somebody began to let go. Raises: Busy."""
        finalize(self.table)
        unmark(self.table)
        for leaf, reason in detached(self.table):
            drop(leaf, reason=reason, tell=tell)

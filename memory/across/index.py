"""Which vector index there should be for so many memories, and which there is.

    none ── rows ≥ least ──► built ── rows doubled, or are a quarter ──► another beside it, then the old one goes
                               └───── rows < least / 2 ──► none

One a name of an embedder, over its rows only, and over the beginnings of their vectors: that halves what each store
costs, and the memory. IVFFlat deals rows to `lists` by k-means over a sample of them, when it is built:
lists grow with what is stored later, and searches get slower with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import isqrt

from psycopg import sql as compose

from domains import sql

PREFIX = "memory_across_"
ROWS_A_LIST = 500
"""Half as many as pgvector recommends: small lists find more for the same rows read."""
MANY = 1_000_000
"""Rows from which on lists grow with their square root, as pgvector recommends."""
FEWEST = 8
BEGINNING = 128
"""Dimensions that are indexed. Models that are made to be shortened, as the default one, have the most in the first."""
GROWN, SHRUNK = 2, 4
COUNTED = 200_000
"""Estimated rows up to which they are counted instead."""

# Of earlier versions, which dealt whole vectors by their angles. They serve until the next build, which replaces them.
WHOLE = "NOT starts_with(pg_get_expr(i.indexprs, i.indrelid), '(subvector(')"
FOUND = f"""
SELECT c.relname, i.indisvalid, (SELECT option_value::int FROM pg_options_to_table(c.reloptions)
       WHERE option_name = 'lists'), pg_get_expr(i.indpred, i.indrelid), pg_relation_size(c.oid),
       {WHOLE}
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'memory_nodes'::regclass AND starts_with(c.relname, '{PREFIX}') ORDER BY c.oid
"""
# Lists grow with what is stored, so how many hold so many rows changes. VACUUM counts, and building it did.
SCAN = f"""
SELECT greatest(1, least(lists, ceil(lists * %(read)s / greatest(rows, 1))))::int, whole FROM (
    SELECT {WHOLE} AS whole,
           (SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'lists') AS lists,
           c.reltuples AS rows
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'memory_nodes'::regclass AND i.indisvalid AND starts_with(c.relname, %(stem)s)
    ORDER BY c.oid DESC LIMIT 1
) newest
"""
ROWS = "FROM memory_nodes WHERE embedder = %s"


@dataclass(frozen=True, slots=True)
class Index:
    """One that is there. `rows` says which it is over, as a condition of SQL; not `valid`: its build was broken off.

    `whole`: over whole vectors, as earlier versions built it.
    """

    name: str
    valid: bool
    lists: int
    rows: str
    bytes: int
    whole: bool


def there() -> list[Index]:
    """All of them, oldest first. One query of the catalogue."""
    return [Index(*row) for row in sql.fetch_rows(FOUND)]


@dataclass(frozen=True, slots=True)
class Scan:
    """How an index is searched: how many of its lists are read, and whether it is over whole vectors."""

    probes: int
    whole: bool


def scan(embedder: str, *, read: int) -> Scan | None:
    """Of an embedder's newest index, so that about so many rows are read. One query of the catalogue."""
    found = sql.fetch_rows(SCAN, {"stem": stem(embedder), "read": read})
    return Scan(*found[0]) if found else None


def stem(embedder: str) -> str:
    """What the names of an embedder's indexes begin with."""
    return f"{PREFIX}{blake2b(embedder.encode(), digest_size=4).hexdigest()}_"


def free_name(embedder: str, taken: Iterable[str]) -> str:
    """A name for one more of its indexes."""
    names = set(taken)
    return next(name for n in range(1, len(names) + 2) if (name := f"{stem(embedder)}{n}") not in names)


def statement(name: str, embedder: str, *, dimensions: int, lists: int) -> str:
    """What builds it. The expression is the one that `across.queries` orders by.

    By distance, not by angle: beginnings of unit vectors are not of one length, and of two that point the same way the
    longer one says more of the whole.
    """
    query = (
        "CREATE INDEX CONCURRENTLY {} ON memory_nodes USING ivfflat (({}) halfvec_l2_ops) "
        "WITH (lists = {}) WHERE embedder = {}"
    )
    expression = compose.SQL(beginning("embedding", dimensions))
    values = compose.Identifier(name), expression, compose.Literal(lists), compose.Literal(embedder)
    return compose.SQL(query).format(*values).as_string(None)


def beginning(vector: str, dimensions: int) -> str:
    """The expression of what is indexed of a vector of so many dimensions."""
    indexed = min(dimensions, BEGINNING)
    return f"subvector({vector}, 1, {indexed})::halfvec({indexed})"


def lists_for(rows: int, *, dimensions: int, memory_mb: int) -> int:
    """One for five hundred rows up to a million, then twice their square root; no more than k-means has memory for."""
    wanted, indexed = rows // ROWS_A_LIST if rows <= MANY else 2 * isqrt(rows), min(dimensions, BEGINNING)
    while wanted > FEWEST and _bytes(wanted, indexed) > memory_mb << 20:
        wanted -= max(1, wanted // 50)
    return max(FEWEST, wanted)


def _bytes(lists: int, dimensions: int) -> int:
    """What pgvector asks for, and a tenth more: 50 samples a list, and Elkan's bound for each sample and list.

    https://github.com/pgvector/pgvector/blob/master/src/ivfkmeans.c
    """
    samples = max(50 * lists, 10_000)
    floats = samples * lists + 2 * samples + lists * lists + 3 * lists * dimensions
    return (4 * floats + samples * (2 * dimensions + 16)) * 11 // 10


def lists_wanted(rows: int, lists: int | None, *, least: int, fitting: int) -> int:
    """How many lists there should be, 0 for no index: `lists` if those that are there will do.

    `fitting` are the lists that so many rows would get if it were built now.
    """
    if rows < (least if lists is None else least // 2):
        return 0
    if lists is None or fitting >= GROWN * lists or lists >= SHRUNK * fitting:
        return fitting
    return lists


def rows_of(embedder: str) -> int:
    """About how many memories have a vector of it: counted where they are few, else as PostgreSQL's statistics say."""
    if _estimated("FROM memory_nodes", []) > COUNTED:
        return _estimated(ROWS, [embedder])
    return counted(embedder)


def counted(embedder: str) -> int:
    """How many memories have a vector of it. Reads the table."""
    return int(sql.fetch_rows(f"SELECT count(*) {ROWS}", [embedder])[0][0])


def over(index: Index) -> int:
    """The same of those that an index is over."""
    condition = f"FROM memory_nodes WHERE {index.rows}".replace("%", "%%")
    if _estimated("FROM memory_nodes", []) > COUNTED:
        return _estimated(condition, [])
    return int(sql.fetch_rows(f"SELECT count(*) {condition}", prepare=False)[0][0])


def _estimated(source: str, params: list[object]) -> int:
    plan = sql.fetch_rows(f"EXPLAIN (FORMAT JSON) SELECT 1 {source}", params, prepare=False)[0][0]
    return int(plan[0]["Plan"]["Plan Rows"])

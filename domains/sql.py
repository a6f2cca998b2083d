"""Set-based access to PostgreSQL for hot paths: raw psycopg on Django's connection, inside Django's transaction.

JSON columns take plain Python values here (encoded by orjson) and come back decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import dict_row, tuple_row
from psycopg.types.json import Jsonb, set_json_dumps


def _encode(value: object) -> bytes:
    """JSON of plain values, UUIDs, datetimes, and of event payloads by their fields."""
    return orjson.dumps(value, default=vars)


set_json_dumps(_encode)


class _JsonLoader(Loader):
    """Django leaves jsonb as text for its own fields; here it is decoded."""

    def load(self, data: Buffer) -> Any:
        return orjson.loads(bytes(data))


class NoTransaction(RuntimeError):
    """The call writes what must commit together with something else, and no transaction is open."""


def require_transaction(what: str) -> None:
    """Raises: NoTransaction."""
    if not connection.in_atomic_block:
        raise NoTransaction(f"{what} needs an open transaction: wrap the whole change in transaction.atomic()")


def raw() -> psycopg.Connection[Any]:
    """This thread's psycopg connection, opened if it is not."""
    connection.ensure_connection()
    return connection.connection


def _cursor(row_factory: Any) -> psycopg.Cursor[Any]:
    # Not `raw().cursor()`: that one counts every statement for /metrics, which costs as much as a short statement.
    cursor = psycopg.Cursor(raw(), row_factory=row_factory)
    cursor.adapters.register_loader("jsonb", _JsonLoader)
    return cursor


def fetch(query: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
    """All rows as dicts. Prepared on the server: the text must be constant, values go in `params`."""
    with _cursor(dict_row) as cursor:
        return cursor.execute(query.encode(), params or None, prepare=True).fetchall()


def fetch_rows(query: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
    """All rows as tuples, in the order of the selected columns."""
    with _cursor(tuple_row) as cursor:
        return cursor.execute(query.encode(), params or None, prepare=True).fetchall()


def execute(query: str, params: Sequence[object] | Mapping[str, object] = ()) -> int:
    """Run one prepared statement. Returns how many rows it touched."""
    with psycopg.Cursor(raw()) as cursor:
        return cursor.execute(query.encode(), params or None, prepare=True).rowcount


def copy(table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
    """COPY `rows` into `table` in binary. `columns` maps each column, in the order of the rows, to its type."""
    require_transaction(f"COPY into {table}")
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with psycopg.Cursor(raw()) as cursor, cursor.copy(statement) as stream:
        stream.set_types(list(columns.values()))
        for row in rows:
            stream.write_row(row)


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb parameter of `fetch` or `execute`."""
    return Jsonb(value)

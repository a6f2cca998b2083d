"""Set-based access to PostgreSQL for hot paths: raw psycopg on Django's connection, inside Django's transaction.

JSON columns take plain Python values here (encoded by orjson) and come back decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

import numpy as np
import orjson
import psycopg
from django.db import connection
from psycopg import adapters, sql
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.rows import dict_row, tuple_row
from psycopg.types.json import Jsonb, set_json_dumps

from domains.origin import marked


def encode(value: object) -> bytes:
    """JSON of plain values, UUIDs, datetimes, and of event payloads by their fields; bytes are JSON already."""
    return value if type(value) is bytes else orjson.dumps(value, default=vars)


set_json_dumps(encode)


class _JsonLoader(Loader):
    """Django leaves jsonb as text for its own fields; here it is decoded."""

    def load(self, data: Buffer) -> Any:
        return orjson.loads(data)


class _JsonbBinaryLoader(Loader):
    """The binary form begins with a version byte."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        return orjson.loads(bytes(data)[1:])


class NoTransaction(RuntimeError):
    """The call writes what must commit together with something else, and no transaction is open."""


def require_transaction(what: str) -> None:
    """Raises: NoTransaction."""
    if not connection.in_atomic_block:
        raise NoTransaction(f"{what} needs an open transaction: wrap the whole change in transaction.atomic()")


def raw() -> psycopg.Connection[Any]:
    """This thread's psycopg connection, opened if it is not, or anew when it broke, which Django does not see."""
    if connection.connection is not None and connection.connection.closed and not connection.in_atomic_block:
        connection.close()
    connection.ensure_connection()
    return connection.connection


def _cursor(row_factory: Any) -> psycopg.Cursor[Any]:
    # Not `raw().cursor()`: that one counts every statement for /metrics, which costs as much as a short statement.
    cursor = psycopg.Cursor(raw(), row_factory=row_factory)
    cursor.adapters.register_loader("jsonb", _JsonLoader)
    cursor.adapters.register_loader("json", _JsonLoader)
    cursor.adapters.register_loader("jsonb", _JsonbBinaryLoader)
    return cursor


def fetch(query: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
    """All rows as dicts. Prepared on the server: the text must be constant, values go in `params`."""
    text = marked(query)
    with _cursor(dict_row) as cursor:
        return cursor.execute(text.encode(), params or None, prepare=text is query).fetchall()


def fetch_rows(
    query: str,
    params: Sequence[object] | Mapping[str, object] = (),
    *,
    binary: bool = False,
    prepare: bool = True,
) -> list[tuple[Any, ...]]:
    """All rows as tuples, in the order of the selected columns. `binary` is quicker for many rows, slower for few.

    Without `prepare` it is planned anew, for the values that are given.
    """
    text = marked(query)
    with _cursor(tuple_row) as cursor:
        return cursor.execute(
            text.encode(), params or None, prepare=prepare and text is query, binary=binary
        ).fetchall()


def execute(query: str, params: Sequence[object] | Mapping[str, object] = ()) -> int:
    """Run one prepared statement. Returns how many rows it touched."""
    text = marked(query)
    with psycopg.Cursor(raw()) as cursor:
        return cursor.execute(text.encode(), params or None, prepare=text is query).rowcount


def copy(table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
    """COPY `rows` into `table` in binary. `columns` maps each column, in the order of the rows, to its type."""
    require_transaction(f"COPY into {table}")
    with psycopg.Cursor(raw()) as cursor, cursor.copy(_marked_copy(table, tuple(columns))) as stream:
        stream.set_types(list(columns.values()))
        for row in rows:
            stream.write_row(row)


def copy_encoded(table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """COPY rows that are encoded already, each as its number of fields and the fields of a binary COPY.

    By several statements: the server reads what some rows are while the next ones are made.
    """
    require_transaction(f"COPY into {table}")
    statement, left = _copying(table, tuple(columns)), iter(rows)
    data = _joined(left)
    with psycopg.Cursor(raw()) as cursor:
        while data:
            with cursor.copy(statement) as stream:
                stream.write(data)
                data = _joined(left)


def _joined(rows: Iterator[bytes]) -> bytes:
    """The next rows as one whole COPY; nothing when there are no more."""
    data = b"".join(islice(rows, _COPIED_AT_ONCE))
    return data and b"".join((_COPY_HEADER, data, _COPY_END))


# PostgreSQL holds on to the table's description for each row of a binary COPY that it has not written yet, up to a
# thousand, and finds those holds by going through them: a tenth of what a thousand rows take.
_COPIED_AT_ONCE = 125

_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"


def _marked_copy(table: str, columns: tuple[str, ...]) -> bytes:
    return marked(_copying(table, columns).decode()).encode()


@cache
def _copying(table: str, columns: tuple[str, ...]) -> bytes:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), names).as_bytes(None)


class Floats(list[float]):
    """A `float8[]` parameter of a column's values, encoded at once and not one by one."""


class Integers(list[int]):
    """A `bigint[]` parameter, encoded at once."""


class Ids(list[UUID]):
    """A `uuid[]` parameter, encoded at once."""


# https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c: array_send
_ARRAY = struct.Struct("!iiIii")


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element: ClassVar[str]
    layout: ClassVar[list[tuple[str, str]]]

    def dump(self, obj: Any) -> Buffer:
        cells = np.empty(len(obj), dtype=self.layout)
        cells["size"] = cells.dtype[1].itemsize
        cells["value"] = self.values(obj)
        return _ARRAY.pack(1, 0, adapters.types[self.element].oid, len(obj), 1) + cells.tobytes()

    def values(self, obj: Any) -> Any:
        return obj


class _FloatsDumper(_ArrayDumper):
    oid = adapters.types["float8"].array_oid
    element, layout = "float8", [("size", ">i4"), ("value", ">f8")]


class _IntegersDumper(_ArrayDumper):
    oid = adapters.types["int8"].array_oid
    element, layout = "int8", [("size", ">i4"), ("value", ">i8")]


class _IdsDumper(_ArrayDumper):
    oid = adapters.types["uuid"].array_oid
    element, layout = "uuid", [("size", ">i4"), ("value", "V16")]

    def values(self, obj: Any) -> Any:
        return np.frombuffer(b"".join([value.bytes for value in obj]), dtype="V16")


for _kind, _dumper in ((Floats, _FloatsDumper), (Integers, _IntegersDumper), (Ids, _IdsDumper)):
    adapters.register_dumper(_kind, _dumper)


def jsonb(value: object) -> Jsonb:
    """A value for a jsonb parameter of `fetch` or `execute`."""
    return Jsonb(value)


def like(text: str) -> str:
    """A text as a pattern of LIKE that means just it."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

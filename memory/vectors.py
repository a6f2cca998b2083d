"""Half-precision vectors on the wire: PostgreSQL's binary form of pgvector's `halfvec`."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.types import TypeInfo

from domains import sql


@cache
def _info(dsn: str) -> TypeInfo:
    """The type's numbers in this database, asked once a process and not once a connection."""
    info = TypeInfo.fetch(sql.raw(), "halfvec")
    if info is None:
        raise psycopg.errors.UndefinedObject("the database has no type halfvec: is pgvector 0.7 or newer installed?")
    return info


def register() -> None:
    """Let this thread's connection send and read halfvec."""
    connection = sql.raw()
    if "halfvec" not in _names(connection):
        register_halfvec_info(connection, _info(connection.info.dsn))


def _names(connection: psycopg.Connection) -> set[str]:
    return {info.name for info in connection.adapters.types}


def halves(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """The vectors in half precision, `[n, dimensions]`."""
    return vectors.astype(np.float16)

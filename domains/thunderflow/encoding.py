"""Events as rows of a binary COPY, put together by hand: this is where publishing spends its time.

https://www.postgresql.org/docs/current/sql-copy.html: a row is its number of fields, then each field's length and
bytes, length -1 for NULL; jsonb begins with a version byte.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Any
from uuid import UUID

from domains import sql
from domains.ids import new_raw_id

COLUMNS = (
    "seq", "id", "correlation_id", "event_version", "priority", "causation_id",
    "actor", "node", "stream", "topic", "payload",
)  # fmt: skip
"""In the order of the fields."""

_START = Struct("!hiqi16s")  # number of fields, seq, id
_SHORTS = Struct("!ihih")
_LENGTH = Struct("!i")
_JSONB = Struct("!iB")
_NULL = _LENGTH.pack(-1)


def row(seq: int, fixed: bytes, causation_id: UUID | None, actor: str, node: str, stream: str, topic: str,
        payload: Any) -> bytes:  # fmt: skip
    """One event under a new id. `fixed` comes from `shared`; the payload is encoded by its fields."""
    data = sql.encode(vars(payload))  # validated when it was made
    return b"".join((
        _START.pack(len(COLUMNS), 8, seq, 16, new_raw_id().bytes), fixed, _id(causation_id), _text(actor), _text(node),
        _text(stream), _text(topic), _JSONB.pack(len(data) + 1, 1), data,
    ))  # fmt: skip


@lru_cache(maxsize=256)
def shared(correlation_id: UUID | None, version: int, priority: int) -> bytes:
    """The fields that many events have in common."""
    return _id(correlation_id) + _SHORTS.pack(2, version, 2, priority)


@lru_cache(maxsize=256)
def _id(value: UUID | None) -> bytes:
    return _NULL if value is None else _LENGTH.pack(16) + value.bytes


@lru_cache(maxsize=4096)
def _text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data

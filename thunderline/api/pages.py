"""Lists in pages, by the key of the last result and not by its number: stable while rows come and go.

A cursor is opaque to clients, and not secret: it holds the key behind which the next page begins. Whatever it says,
only what its reader may see is shown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from thunderline.api import problems

Shape = TypeVar("Shape")
Row = TypeVar("Row")
Key = tuple[Any, ...]


class Page(BaseModel, Generic[Shape]):
    """Part of a list. `next` is the address of the part behind it; null: there is none."""

    results: list[Shape]
    next: str | None


def key_of(cursor: str | None, *kinds: type) -> Key | None:
    """The key in a cursor, of these types (UUID, str, int); None without one. Raises: problems.Refused (422)."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(found, list) or len(found) != len(kinds):
            raise ValueError
        return tuple(_read(value, kind) for value, kind in zip(found, kinds, strict=True))
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise problems.misfit("cursor", "is none of this list; use `next` as it was sent", status=422) from error


def _read(value: object, kind: type) -> Any:
    if kind is UUID and isinstance(value, str):
        return UUID(value)
    if type(value) is not kind or (kind is int and not -(2**63) <= value < 2**63):  # type: ignore[operator]
        raise ValueError
    if isinstance(value, str) and "\0" in value:
        raise ValueError
    return value


def cursor(key: Key) -> str:
    """The cursor of a key."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def address(request: Any, given: str) -> str:
    """The request's own address with another cursor."""
    words = request.query_params.copy()
    words["cursor"] = given
    return str(request.build_absolute_uri(f"{request.path}?{words.urlencode()}"))


def page(
    request: Any, rows: Sequence[Row], limit: int, *, key: Callable[[Row], Key], shape: Callable[[Row], Shape]
) -> dict[str, Any]:
    """A page of `rows`, of which there is one more than `limit` if there is a next page."""
    shown = rows[:limit]
    more = address(request, cursor(key(shown[-1]))) if len(rows) > limit else None
    return {"results": [shape(row) for row in shown], "next": more}

"""Where a change comes from: carried along by context, and put in front of the SQL that writes, for the audit trail.

The mark is a comment of the statement itself, as sqlcommenter does it. So it costs no round trip, holds in and out of
transactions, over rollbacks and for every way of writing, and a trigger finds it in `current_query()`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import orjson

DOORS = ("admin", "page", "socket", "rest", "mcp", "command")
LONGEST = 500
"""Characters of an actor, key or request."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The door that somebody came through, and what is known of them there. `key_id`: the token or API key used."""

    door: str
    address: str = ""
    user_id: UUID | None = None
    key_id: str = ""
    request: str = ""
    """What was asked for: a method and path, a command."""

    def plain(self) -> dict[str, str]:
        """As JSON, for who goes on with it in another process."""
        values = {"door": self.door, "address": self.address, "key_id": self.key_id, "request": self.request}
        return values | {"user_id": str(self.user_id or "")}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Origin | None:
        """The origin that `plain` was made of; None for anything else."""
        try:
            values = {name: str(plain[name])[:LONGEST] for name in ("door", "address", "key_id", "request")}
            user_id = UUID(plain["user_id"]) if plain["user_id"] else None
        except (LookupError, TypeError, ValueError):
            return None
        return cls(user_id=user_id, **values) if values["door"] in DOORS else None


_mark: ContextVar[str] = ContextVar("audit_mark", default="")

# What changes rows: at the start, or behind the names of a WITH.
_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|WITH\b.*?\b(?:INSERT|UPDATE|DELETE|MERGE)\s)",
                     re.IGNORECASE | re.DOTALL)  # fmt: skip


def mark(origin: Origin | None, *, actor: str, correlation_id: UUID | None) -> str:
    """The comment that says who; empty for none. Base64, so that nothing in it can end the comment."""
    if origin is None:
        return ""
    said = {
        "actor": actor[:LONGEST], "door": origin.door, "address": origin.address, "user_id": origin.user_id,
        "key_id": origin.key_id[:LONGEST], "request": origin.request[:LONGEST], "correlation_id": correlation_id,
    }  # fmt: skip
    said = {name: value for name, value in said.items() if value}
    # A lone surrogate, which a path can hold, is no UTF-8 and PostgreSQL has no NUL.
    clean = {k: v.encode(errors="replace").decode().replace("\0", "?") if isinstance(v, str) else v
             for k, v in said.items()}  # fmt: skip
    return f"/*audit:{b64encode(orjson.dumps(clean)).decode()}*/ "


def marked(query: str) -> str:
    """A statement with the mark in force in front, if it writes; else as it is."""
    here = _mark.get()
    return here + query if here and _WRITES.match(query) else query


@contextmanager
def marking(text: str) -> Iterator[None]:
    """Mark what a block writes; with the empty text, not at all."""
    token = _mark.set(text)
    try:
        yield
    finally:
        _mark.reset(token)


def wrap(execute: Any, query: Any, params: Any, many: bool, context: Any) -> Any:
    """An execute wrapper of a Django connection."""
    return execute(marked(query) if isinstance(query, str) else query, params, many, context)


def client_address(peer: str, forwarded: str, proxies: int) -> str:
    """The address of who asks, behind so many proxies of one's own that each add one to `X-Forwarded-For`.

    What is further to the left may be anybody's invention. Empty when it is not known.
    """
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    found = peer if not proxies else (hops[-proxies] if len(hops) >= proxies else peer)
    try:
        return str(ip_address(found.strip("[]")))
    except ValueError:
        return ""

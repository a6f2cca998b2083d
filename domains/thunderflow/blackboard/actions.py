"""Changing the blackboard. What one call changes is changed together with its events, or not at all.

Locks the counters of the namespaces' streams, in the order of their names, before it looks at anything: so whoever
changes a namespace is alone with it until the commit, and an expected version is compared with what will be replaced.
Publish to streams that come later by name (`system`, `zone:…`) afterwards, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import transaction

from domains import sql
from domains.thunderflow.blackboard import keys
from domains.thunderflow.blackboard.board import Board
from domains.thunderflow.blackboard.errors import AccessDenied, BadKey, BadValue, BlackboardError
from domains.thunderflow.blackboard.queries import Entry, Namespace

SWEPT_AT_ONCE = 1000
EVERYBODY, OWNER = "everybody", "owner"

EXPIRED = """
SELECT key FROM blackboard_entries WHERE expires_at <= statement_timestamp() ORDER BY expires_at, key LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Put:
    """What is to be put where. `expect` is the version that it replaces, 0 that there is none; None asks nothing."""

    key: str
    value: Any
    expect: int | None = None
    ttl_s: float | None = None
    """Seconds from now until it is as if it were not there; None: for good."""
    by: str | None = None
    """Who puts it, when that is not who calls."""


@dataclass(frozen=True, slots=True)
class Delete:
    """What is to be deleted, at which version if that matters."""

    key: str
    expect: int | None = None


def put(
    key: str, value: Any, *, by: str, expect: int | None = None, ttl_s: float | None = None, operator: bool = False
) -> Entry:
    """Put one entry. Returns it. Raises: as `put_many`."""
    return put_many([Put(key, value, expect, ttl_s)], by=by, operator=operator)[0]


def put_many(puts: Sequence[Put], *, by: str, operator: bool = False) -> list[Entry]:
    """Put entries in this order, all or none. Returns them as they were put, with their versions.

    A namespace that is not there is made, and belongs to who puts first. An operator may write everywhere. Two
    queries and a COPY, however many entries. Raises: BadKey, BadValue, VersionConflict, AccessDenied.
    """
    encoded = [check(one, by) for one in puts]
    with transaction.atomic():
        board = Board(one.key for one in puts)
        entries = [_put(board, *of, by=by, operator=operator) for of in zip(puts, encoded, strict=True)]
        board.write()
    return entries


def put_possible(puts: Sequence[Put], *, by: str) -> list[Entry | BlackboardError]:
    """Put what can be put, in this order. Returns entries, and refusals in place of those that were refused.

    Needs an open transaction.
    """
    sql.require_transaction("put_possible")
    encoded = [_tried(check, one, by) for one in puts]
    sound = [(one, json) for one, json in zip(puts, encoded, strict=True) if isinstance(json, bytes)]
    board = Board(one.key for one, _ in sound)
    done = iter([_tried(_put, board, one, json, by=by, operator=False) for one, json in sound])
    board.write()
    return [next(done) if isinstance(json, bytes) else json for json in encoded]


def delete(key: str, *, by: str, expect: int | None = None, operator: bool = False) -> int:
    """Delete one entry. Returns the version of its deletion. Raises: as `delete_many`."""
    return delete_many([Delete(key, expect)], by=by, operator=operator)[0]


def delete_many(deletes: Sequence[Delete], *, by: str, operator: bool = False) -> list[int]:
    """Delete entries, all or none. Returns the versions of their deletions; what is put later is above them.

    Raises: BadKey, NotFound, VersionConflict, AccessDenied.
    """
    _check_actor(by)
    with transaction.atomic():
        board = Board(keys.check_key(one.key) for one in deletes)
        versions = [board.delete(one.key, one.expect, by=by, operator=operator) for one in deletes]
        board.write()
    return versions


def set_namespace(
    name: str, *, by: str, owner: str | None = None, writers: str | None = None, operator: bool = False
) -> Namespace:
    """Make a namespace, or give it another owner or other rules, which its owner and operators may do. Returns it.

    `writers` are `everybody` (who is signed in, agents too) or `owner`. Raises: BadKey, BadValue, AccessDenied.
    """
    _check_actor(by)
    if owner is not None:
        _check_actor(owner)
    if keys.namespace_of(keys.check_key(name)) != name:
        raise BadKey(f"{name!r}: a namespace is the first word of keys")
    if writers not in (None, EVERYBODY, OWNER):
        raise BadValue(f"writers: {EVERYBODY} or {OWNER}, not {writers!r}")
    with transaction.atomic():
        board = Board([name])
        was = board.namespaces.get(name)
        if was and by != was.owner and not operator:
            raise AccessDenied(f"{name} belongs to {was.owner}, who decides about it")
        now = Namespace(name, owner or (was.owner if was else by), writers or (was.writers if was else EVERYBODY))
        if now != was:
            board.change_namespace(now, by=by)
        board.write()
    return now


def expire(*, most: int = SWEPT_AT_ONCE) -> int:
    """Sweep up to `most` entries whose time is over, those first that have been so longest. Returns how many.

    None while somebody holds one of their namespaces for long: nobody is waited for.
    """
    try:
        with transaction.atomic():
            sql.execute("SET LOCAL lock_timeout = '300ms'")
            return _expire([key for (key,) in sql.fetch_rows(EXPIRED, [most])])
    except psycopg.errors.LockNotAvailable:
        return 0


def _expire(over: Sequence[str]) -> int:
    board = Board(over)
    swept = sum(board.expire(key) for key in over)
    board.write()
    return swept


def expire_all(*, rounds: int = 10) -> int:
    """Sweep in batches, each a transaction of its own, until nothing is over or `rounds` are done. Returns how many."""
    swept = 0
    for _ in range(rounds):
        batch = expire()
        swept += batch
        if batch < SWEPT_AT_ONCE:
            break
    return swept


def check(one: Put, by: str = "") -> bytes:
    """Whether it could be put, as far as that shows without looking. Returns the value's JSON.

    Raises: BadKey, BadValue, AccessDenied.
    """
    keys.check_key(one.key)
    keys.check_ttl(one.key, one.ttl_s)
    _check_actor(one.by or by)
    return keys.encode(one.key, one.value)


def _check_actor(by: str) -> None:
    if not by or len(by) > keys.MAX_ACTOR:
        raise AccessDenied(f"only who has a name (of at most {keys.MAX_ACTOR} characters) can write on the blackboard")


def _put(board: Board, one: Put, encoded: bytes, *, by: str, operator: bool) -> Entry:
    return board.put(one.key, encoded, one.expect, one.ttl_s, by=one.by or by, operator=operator)


def _tried(act: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return act(*args, **kwargs)
    except BlackboardError as error:
        return error

"""The part of the blackboard that one transaction changes, with its namespaces locked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from domains import sql
from domains.thunderflow.actions import NewEvent, forget_unused, publish_many
from domains.thunderflow.blackboard import events
from domains.thunderflow.blackboard.errors import AccessDenied, NotFound, VersionConflict
from domains.thunderflow.blackboard.keys import namespace_of
from domains.thunderflow.blackboard.queries import Entry, Namespace

SWEEPER = "system"

# Nothing is counted yet; the counters are locked, and made where there are none. Whoever waits here holds nothing else.
LOCK = "SELECT name, seq FROM event_begin(%s::text[], %s::bigint[])"

# In a statement after the lock: it sees what the one waited for has committed.
LOOK = """
SELECT u.key, statement_timestamp(), e.version, e.author, e.expires_at <= statement_timestamp(), n.owner, n.writers
FROM unnest(%s::text[]) AS u (key)
LEFT JOIN blackboard_entries e ON e.key = u.key
LEFT JOIN blackboard_namespaces n ON n.name = split_part(u.key, '.', 1)
"""

WRITE = """
INSERT INTO blackboard_entries (key, value, version, author, expires_at, updated_at)
SELECT u.key, u.value::json, u.version, u.author, u.expires_at, u.updated_at
FROM unnest(%s::text[], %s::text[], %s::int8[], %s::text[], %s::timestamptz[], %s::timestamptz[])
     AS u (key, value, version, author, expires_at, updated_at)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, author = excluded.author,
    expires_at = excluded.expires_at, updated_at = excluded.updated_at
"""

REMOVE = "DELETE FROM blackboard_entries WHERE key = ANY(%s)"

WRITE_NAMESPACES = """
INSERT INTO blackboard_namespaces (name, owner, writers)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, writers = excluded.writers, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class Lying:
    """An entry as it was found."""

    version: int
    author: str
    expired: bool


class Board:
    """Changes are made in memory, in order, and written at the end by one statement of each kind.

    Needs an open transaction from its making to `write`.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        wanted = sorted(set(keys))
        streams = {events.stream(name): name for name in map(namespace_of, wanted)}
        self.lying: dict[str, Lying | None] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.changed: dict[str, tuple[Entry, str] | None] = {}
        """By key: the entry with its JSON as it is to be, or None: it goes."""
        self.made: dict[str, Namespace] = {}
        self.told: dict[str, list[NewEvent]] = defaultdict(list)
        self.seq: dict[str, int] = {}
        if wanted:
            locked = sql.fetch_rows(LOCK, [list(streams), [0] * len(streams)])
            self.seq = {streams[name]: seq for name, seq in locked}
            self._look(wanted)

    def _look(self, wanted: list[str]) -> None:
        for key, now, version, author, expired, owner, writers in sql.fetch_rows(LOOK, [wanted]):
            self.now: datetime = now
            self.lying[key] = Lying(version, author, bool(expired)) if version else None
            if owner is not None:
                name = namespace_of(key)
                self.namespaces[name] = Namespace(name, owner, writers)

    def put(
        self, key: str, encoded: bytes, expect: int | None, ttl_s: float | None, *, by: str, operator: bool
    ) -> Entry:
        """Raises: AccessDenied, VersionConflict."""
        name = namespace_of(key)
        if name not in self.namespaces:
            self._check(key, expect)
            self.change_namespace(Namespace(name, by, "everybody"), by=by)
        self._admit(name, by, operator)
        was = self._check(key, expect)
        expires_at = self.now + timedelta(seconds=ttl_s) if ttl_s else None
        entry = Entry(key, orjson.loads(encoded), self._next(name), by, expires_at, self.now)
        self._change(key, (entry, encoded.decode()), Lying(entry.version, by, False))
        payload = events.EntryChanged(
            key=key,
            change="put",
            entry_version=entry.version,
            was_version=was,
            value=entry.value,
            author=by,
            expires_at=expires_at,
        )
        self._tell(payload, by)
        return entry

    def delete(self, key: str, expect: int | None, *, by: str, operator: bool) -> int:
        """Returns the version of the deletion. Raises: NotFound, AccessDenied, VersionConflict."""
        name = namespace_of(key)
        if name in self.namespaces:
            self._admit(name, by, operator)
        was = self._check(key, expect)
        if not was:
            raise NotFound(f"there is no entry {key}")
        return self._go(key, "deleted", was, author=by, by=by)

    def expire(self, key: str) -> bool:
        """Let an entry go if its time is over. Returns whether it went."""
        lying = self.lying[key]
        if lying is None or not lying.expired:
            return False
        self._go(key, "expired", lying.version, author=lying.author, by=SWEEPER)
        return True

    def change_namespace(self, now: Namespace, *, by: str) -> None:
        """Make it, or make it so."""
        self.namespaces[now.name] = self.made[now.name] = now
        payload = events.NamespaceChanged(namespace=now.name, owner=now.owner, writers=now.writers)
        self.told["system"].append(NewEvent("system", "system.blackboard_namespace", payload, actor=by))

    def _admit(self, name: str, by: str, operator: bool) -> None:
        namespace = self.namespaces[name]
        if namespace.writers == "owner" and by != namespace.owner and not operator:
            raise AccessDenied(f"only {namespace.owner} may write in {name}")

    def _check(self, key: str, expect: int | None) -> int:
        """The version of what is there, 0 when there is nothing. Raises: VersionConflict."""
        self.expire(key)
        lying = self.lying[key]
        version = lying.version if lying else 0
        if expect is not None and expect != version:
            raise VersionConflict(key, expected=expect, actual=version)
        return version

    def _next(self, name: str) -> int:
        self.seq[name] += 1
        return self.seq[name]

    def _go(self, key: str, change: events.Change, was: int, *, author: str, by: str) -> int:
        version = self._next(namespace_of(key))
        self._change(key, None, None)
        payload = events.EntryChanged(key=key, change=change, entry_version=version, was_version=was, author=author)
        self._tell(payload, by)
        return version

    def _change(self, key: str, entry: tuple[Entry, str] | None, lying: Lying | None) -> None:
        self.changed[key], self.lying[key] = entry, lying

    def _tell(self, payload: events.EntryChanged, by: str) -> None:
        stream = events.stream(namespace_of(payload.key))
        self.told[stream].append(NewEvent(stream, events.topic(payload.key), payload, actor=by))

    def write(self) -> None:
        """Tell the events and write what they say. Up to five queries, and one where all was refused."""
        publish_many([event for told in self.told.values() for event in told])
        if unused := [events.stream(name) for name, seq in self.seq.items() if not seq and name not in self.namespaces]:
            forget_unused(unused)
        if self.made:
            sql.execute(WRITE_NAMESPACES, _columns((n.name, n.owner, n.writers) for n in self.made.values()))
        there = [of for of in self.changed.values() if of is not None]
        gone = [key for key, of in self.changed.items() if of is None]
        if gone:
            sql.execute(REMOVE, [gone])
        if there:
            rows = ((e.key, json, e.version, e.author, e.expires_at, e.updated_at) for e, json in there)
            sql.execute(WRITE, _columns(rows))


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]

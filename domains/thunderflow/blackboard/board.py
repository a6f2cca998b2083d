"""The part of the blackboard that one transaction changes, with its namespaces locked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from domains import sql
from domains.thunderflow.actions import NewEvent, append, forget_unused
from domains.thunderflow.blackboard import events
from domains.thunderflow.blackboard.errors import AccessDenied, NotFound, VersionConflict
from domains.thunderflow.blackboard.keys import namespace_of
from domains.thunderflow.blackboard.queries import Entry, Namespace

SWEEPER = "system"

# Nothing is counted yet; the counters are locked, and made where there are none. Whoever waits here holds nothing else.
OPEN = """
SELECT key, looked_at, seq, version, author, expired, owner, writers FROM blackboard_open(%s::text[])
"""

# Counters and rows at once. No key is both put and taken away.
WRITE = """
WITH gone AS (
    DELETE FROM blackboard_entries WHERE key = ANY(%s)
), ruled AS (
    INSERT INTO blackboard_namespaces (name, owner, writers)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, writers = excluded.writers, updated_at = now()
), put AS (
    INSERT INTO blackboard_entries (key, value, version, author, expires_at, updated_at)
    SELECT u.key, u.value::json, u.version, u.author, u.expires_at, u.updated_at
    FROM unnest(%s::text[], %s::text[], %s::int8[], %s::text[], %s::timestamptz[], %s::timestamptz[])
         AS u (key, value, version, author, expires_at, updated_at)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, author = excluded.author,
        expires_at = excluded.expires_at, updated_at = excluded.updated_at
)
SELECT name, seq FROM event_begin(%s::text[], %s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Lying:
    """An entry as it was found."""

    version: int
    author: str
    expired: bool


class Board:
    """Changes are made in memory, in order, and written at the end, all at once.

    Needs an open transaction from its making to `write`.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.lying: dict[str, Lying | None] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.changed: dict[str, tuple[Entry, str] | None] = {}
        """By key: the entry with its JSON as it is to be, or None: it goes."""
        self.made: dict[str, Namespace] = {}
        self.told: dict[str, list[NewEvent]] = defaultdict(list)
        self.seq: dict[str, int] = {}
        if wanted := sorted(set(keys)):
            self._open(wanted)

    def _open(self, wanted: list[str]) -> None:
        for key, now, seq, version, author, expired, owner, writers in sql.fetch_rows(OPEN, [wanted]):
            self.now: datetime = now
            self.lying[key] = Lying(version, author, bool(expired)) if version else None
            name = namespace_of(key)
            self.seq[name] = seq
            if owner is not None:
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
        """Write what was changed, and tell it. One statement more where all was refused."""
        if told := [event for each in self.told.values() for event in each]:
            self._write(told)
        if unused := [events.stream(name) for name, seq in self.seq.items() if not seq and name not in self.namespaces]:
            forget_unused(unused)

    def _write(self, told: list[NewEvent]) -> None:
        gone = [key for key, of in self.changed.items() if of is None]
        ruled = [(of.name, of.owner, of.writers) for of in self.made.values()]
        put = [
            (e.key, json, e.version, e.author, e.expires_at, e.updated_at)
            for e, json in filter(None, self.changed.values())
        ]
        counts = Counter([event.stream for event in told])
        last = sql.fetch_rows(
            WRITE, [gone, *_columns(ruled, 3), *_columns(put, 6), list(counts), list(counts.values())]
        )
        append(told, {stream: seq - counts[stream] for stream, seq in last})


def _columns(rows: Sequence[tuple[Any, ...]], many: int) -> list[list[Any]]:
    return [[row[n] for row in rows] for n in range(many)]

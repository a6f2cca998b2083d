"""A table as a holding: rows are looked through in the order of their key, and what is concerned is written in sets.

Names are looked for here and not in SQL, where what a word or a letter's other case is depends on the database's
locale. Candidates are then locked, looked at again as they are by now, and written by one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from django.db import transaction

from domains import sql
from domains.leaves import attached
from domains.redaction.holdings import Holding, Note, Noted, Stage, Step, Subject
from domains.redaction.rules import Row, Rule

BATCH = 2000
"""Rows looked through in one step."""
Key = tuple[str, ...]
Removes = Literal["never", "own", "concerned"]


@dataclass(frozen=True, slots=True)
class _Found:
    """A row that is concerned: what its columns become, by name; `goes` when it is removed."""

    key: Key
    changes: dict[str, str]
    goes: bool
    was: bytes | None


class Table(Holding):
    """One table, or the leaves of a partitioned one, oldest first.

    Conditions see the row as `t` and the subject as `%(agent)s`, `%(user)s`, `%(world)s`, `%(streams)s` and
    `%(labels)s`: `own` is true for rows that are the subject's altogether, `scope` for those that lie in an agent's
    world; where `where` is not, rows are left alone. `key` and `columns` are in order; all of `key` is indexed. `also`
    is set in every row that changes. A row goes where `removes` says so, or when a column of `removed_by` names the
    subject.
    """

    def __init__(
        self, table: str, *, key: Mapping[str, str], columns: Mapping[str, Rule], own: str = "false",
        scope: str = "true", where: str = "true", removes: Removes = "never", removed_by: Sequence[str] = (),
        kept: Sequence[str] = (), also: Mapping[str, str] | None = None, secret: Sequence[str] = (), digest: str = "",
        leaves: bool = False, stage: Stage = Stage.SOURCE, order: int = 0,
        lock: Callable[[list[Key]], None] | None = None, batch: int = BATCH,
    ) -> None:  # fmt: skip
        self.name = self.table = table
        self.removed_by, self.where = frozenset(removed_by), where
        self.key, self.columns, self.own, self.scope, self.removes = key, columns, own, scope, removes
        self.kept, self.also, self.secret, self.digest = frozenset(kept), dict(also or {}), list(secret), digest
        self.leaves, self.stage, self.order, self.lock, self.batch = leaves, stage, order, lock, batch
        self.claims = {table: frozenset([*columns, *self.also, *secret])}

    # --- Going through -------------------------------------------------------------------------------------------

    def step(self, subject: Subject, after: dict[str, Any] | None, note: Note, *, dry: bool = False) -> Step:
        """The next rows of the table or leaf. What a leaf that retention drops meanwhile held is gone anyway."""
        leaf, last = self._place(after)
        if leaf is None:
            return Step()
        step = Step()
        try:
            with transaction.atomic():
                rows = self._read(leaf, subject, last)
                found = [one for row in rows if (one := self._look(row, subject))]
                if found and not dry:
                    found = self._write(leaf, subject, [one.key for one in found], note)
        except psycopg.errors.UndefinedTable:
            rows, found = [], []
        step.seen = len(rows)
        step.removed = sum(one.goes for one in found)
        step.changed = len(found) - step.removed
        step.after = self._next(leaf, rows)
        return step

    def rows(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """Whole rows, without `secret` columns, in order."""
        after: dict[str, Any] | None = None
        while True:
            leaf, last = self._place(after)
            if leaf is None:
                return
            rows: list[tuple[Any, ...]] = []
            with suppress(psycopg.errors.UndefinedTable):
                rows = self._read(leaf, subject, last)
                keys = [one.key for row in rows if (one := self._look(row, subject))]
                if keys:
                    where = f"SELECT to_jsonb(t) - %(secret)s::text[] FROM {leaf} t {self._joined()}"
                    found = sql.fetch_rows(where, {**_keys(keys), "secret": self.secret})
                    yield from (row for (row,) in found)
            after = self._next(leaf, rows)
            if after is None:
                return

    def digests(self, keys: Sequence[str]) -> dict[str, bytes] | None:
        """As the contract says; None for a table without a digest."""
        if not self.digest:
            return None
        if not keys:
            return {}
        query = f"SELECT {self._noted()}, {self.digest} FROM {self.table} t {self._joined()}"
        return dict(sql.fetch_rows(query, _keys([tuple(key.split(":")) for key in keys])))

    def _noted(self) -> str:
        return " || ':' || ".join(f"t.{name}::text" for name in self.key)

    def bound(self, subject: Subject) -> tuple[str, dict[str, Any]]:
        """A condition that holds for all rows to be looked at, and its parameters."""
        return "true", {}

    def _place(self, after: dict[str, Any] | None) -> tuple[str | None, list[str] | None]:
        if after is not None:
            return after["leaf"], after["key"]
        names = self._leaves()
        return (names[0] if names else None), None

    def _leaves(self) -> list[str]:
        if not self.leaves:
            return [self.table]
        return sorted((leaf.name for leaf in attached(self.table)), key=lambda name: (len(name), name))

    def _next(self, leaf: str, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any] | None:
        if len(rows) == self.batch:
            return {"leaf": leaf, "key": list(rows[-1][: len(self.key)])}
        later = [name for name in self._leaves() if (len(name), name) > (len(leaf), leaf)] if self.leaves else []
        return {"leaf": later[0], "key": None} if later else None

    def _read(self, leaf: str, subject: Subject, last: list[str] | None) -> list[tuple[Any, ...]]:
        bound, more = self.bound(subject)
        here = f"coalesce(({self.own}), false) OR coalesce(({self.scope}), false)"
        where = [self.where, bound, f"(%(world)s::uuid IS NULL OR {here})"]
        if last is not None:
            where.append(f"({', '.join(f't.{name}' for name in self.key)}) > ({self._cast_last()})")
        order = ", ".join(f"t.{name}" for name in self.key)
        query = f"""SELECT {self._selected()} FROM {leaf} t WHERE {" AND ".join(where)}
            ORDER BY {order} LIMIT {self.batch}"""
        after = {f"after{place}": value for place, value in enumerate(last or [])}
        return sql.fetch_rows(query, {**subject.params, **more, **after})

    def _cast_last(self) -> str:
        return ", ".join(f"%(after{place})s::{kind}" for place, kind in enumerate(self.key.values()))

    def _selected(self) -> str:
        keys = [f"t.{name}::text" for name in self.key]
        columns = [f't."{name}"::text' for name in self.columns]
        return ", ".join([*keys, f"coalesce(({self.own}), false)", *columns])

    # --- Changing ------------------------------------------------------------------------------------------------

    def _look(self, row: Sequence[Any], subject: Subject, was: bytes | None = None) -> _Found | None:
        """What a row becomes; None for one that is not concerned, or is so no more."""
        width = len(self.key)
        key, own, values = tuple(row[:width]), row[width], row[width + 1 :]
        of = Row(subject.words, own, self.kept, ":".join(key))
        changes = {
            name: changed
            for (name, rule), value in zip(self.columns.items(), values, strict=True)
            if value is not None and (changed := rule.change(value, of)) != value
        }
        goes = (own and self.removes != "never") or (bool(changes) and self.removes == "concerned")
        goes = goes or not self.removed_by.isdisjoint(changes)
        return _Found(key, changes, goes, was) if changes or goes else None

    def _write(self, leaf: str, subject: Subject, keys: list[Key], note: Note) -> list[_Found]:
        """Let go of rows as they are once they are locked. Returns what was done."""
        if self.lock is not None:
            self.lock(keys)
        extra = self.digest or "NULL::bytea"
        order = ", ".join(f"t.{name}" for name in self.key)
        locking = f"SELECT {self._selected()}, {extra} FROM {leaf} t {self._joined()} ORDER BY {order} FOR UPDATE OF t"
        rows = sql.fetch_rows(locking, {**subject.params, **self.bound(subject)[1], **_keys(keys)})
        found = [one for row in rows if (one := self._look(row[:-1], subject, row[-1]))]
        if going := [one.key for one in found if one.goes]:
            self.remove(leaf, going)
        if staying := [one for one in found if not one.goes]:
            self._update(leaf, staying, note)
        return found

    def remove(self, leaf: str, keys: list[Key]) -> None:
        """Delete rows that are locked."""
        sql.execute(f"DELETE FROM {leaf} t {self._joined('USING')}", _keys(keys))

    def _update(self, leaf: str, found: Sequence[_Found], note: Note) -> None:
        names = sorted({name for one in found for name in one.changes})
        sets = [f'"{name}" = CASE WHEN u.m{n} THEN u.v{n}::{self.columns[name].cast} ELSE t."{name}" END'
                for n, name in enumerate(names)]  # fmt: skip
        sets += [f'"{name}" = {value}' for name, value in self.also.items()]
        params: dict[str, Any] = _keys([one.key for one in found])
        columns = [f"%(k{n})s::text[]" for n in range(len(self.key))]
        aliases = [f"k{n}" for n in range(len(self.key))]
        for n, name in enumerate(names):
            params[f"m{n}"] = [name in one.changes for one in found]
            params[f"v{n}"] = [one.changes.get(name) for one in found]
            columns += [f"%(m{n})s::bool[]", f"%(v{n})s::text[]"]
            aliases += [f"m{n}", f"v{n}"]
        keys = ", ".join(f"t.{name}::text" for name in self.key)
        query = f"""UPDATE {leaf} t SET {", ".join(sets)}
            FROM unnest({", ".join(columns)}) AS u ({", ".join(aliases)}) WHERE {self._matches()}
            RETURNING {keys}, {self.digest or "NULL::bytea"}"""
        rows = sql.fetch_rows(query, params)
        if self.digest:
            was = {one.key: one.was for one in found}
            note([Noted(self.table, ":".join(row[:-1]), was[tuple(row[:-1])] or b"", row[-1]) for row in rows])

    def _joined(self, word: str = "JOIN") -> str:
        columns = ", ".join(f"%(k{n})s::text[]" for n in range(len(self.key)))
        aliases = ", ".join(f"k{n}" for n in range(len(self.key)))
        on = "WHERE" if word == "USING" else "ON"
        return f"{word} unnest({columns}) AS u ({aliases}) {on} {self._matches()}"

    def _matches(self) -> str:
        return " AND ".join(f"t.{name} = u.k{n}::{kind}" for n, (name, kind) in enumerate(self.key.items()))


def _keys(keys: Sequence[Key]) -> dict[str, Any]:
    return {f"k{n}": list(column) for n, column in enumerate(zip(*keys, strict=True))}

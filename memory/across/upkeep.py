"""Building, replacing and dropping the index, while everything goes on.

Always CONCURRENTLY: nobody who stores waits, but it waits for whoever has a transaction open (a minute at most: the
application's sessions have a limit on idle transactions). The old index serves until the new one is whole. A build that
was broken off may leave one that is not valid and costs whoever stores; the next call removes it.

The connection is one of its own, and so are its settings and the lock that lets one process at a time do this: all go
with it, also when the process is killed. PostgreSQL then ends the build, or finishes it, before the lock is free.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from memory.across import index
from memory.across.index import Index
from memory.embedders import embedder

logger = logging.getLogger(__name__)

LOCK_KEY = 0x7468_6978
LONGEST_S = 3600
"""A build that takes longer is given up: it waits for a transaction that does not end."""
LOOK_S = 0.5
CLEAN_MS = 10_000

# One process builds it: with more, ticks would have no core left.
SETTINGS = """
SELECT set_config('statement_timeout', %s, false), set_config('maintenance_work_mem', %s, false),
       set_config('max_parallel_maintenance_workers', '0', false), set_config('lock_timeout', '0', false)
"""
PROGRESS = """
SELECT phase, blocks_done, blocks_total, tuples_done, tuples_total FROM pg_stat_progress_create_index WHERE pid = %s
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """What PostgreSQL says of a build: its phase, and how many of how many blocks or rows are done in it."""

    phase: str
    done: int
    total: int


Tell = Callable[[Progress], None]


@dataclass(slots=True)
class Report:
    """What there is for the embedder in use, and what was done. `lists` is 0 without an index: searches are exact then.

    `did` is nothing, built, replaced, dropped, or busy when another process is at it. `removed` are indexes that went:
    broken ones, replaced ones, those of embedders that are used no more.
    """

    embedder: str
    rows: int
    did: str = "nothing"
    index: str | None = None
    lists: int = 0
    bytes: int = 0
    seconds: float = 0.0
    removed: list[str] = field(default_factory=list)


def report() -> Report:
    """What there is. Changes nothing."""
    one = embedder()
    return _standing(Report(one.key, index.rows_of(one.key)), index.there())


def tend(*, tell: Tell | None = None) -> Report:
    """Let there be the index that there should be. Safe to call at any time, by any number at once, and to kill.

    `tell` is called each half second of a build, from another thread. Not within a transaction, for which it would wait
    itself. Raises: TransactionManagementError; OperationalError when it takes too long or there is no room for it.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("an index is not built within a transaction")
    began = time.monotonic()
    with _alone() as builder:
        if builder is None:
            found = report()
            found.did = "busy"
            return found
        done = Builder(builder, tell).run()
    done.seconds = round(time.monotonic() - began, 3)
    if done.did != "nothing" or done.removed:
        logger.info("memory index: %s", done)
    return done


class Builder:
    """One pass, by whoever holds the lock."""

    def __init__(self, database: BaseDatabaseWrapper, tell: Tell | None) -> None:
        self._database = database
        self._tell = tell
        self._one = embedder()
        self._report = Report(self._one.key, 0)

    def run(self) -> Report:
        """Remove what is broken, build what is missing, drop what is in excess: so searches have one all the time."""
        for broken in index.there():
            if not broken.valid:
                self._drop(broken)
        mine, others = _parted(self._one.key, index.there())
        self._report.rows, lists = self._wanted(mine)
        keep = next((each for each in mine if each.lists == lists and not each.whole), None)
        if lists and keep is None:
            self._build(lists)
            self._report.did = "replaced" if mine else "built"
        elif mine and not lists:
            self._report.did = "dropped"
        for each in mine:
            if each is not keep:
                self._drop(each)
        for other in others:
            if index.over(other) < settings.MEMORY_INDEX["rows"] // 2:
                self._drop(other)
        return _standing(self._report, index.there())

    def _wanted(self, mine: list[Index]) -> tuple[int, int]:
        """Rows, and lists that there should be. What would be done by an estimate is done only if counting agrees."""
        lists = mine[-1].lists if mine else None
        for rows in (index.rows_of, index.counted):
            many = rows(self._one.key)
            wanted = self._lists(many, lists)
            if wanted == (lists or 0):
                break
        return many, wanted

    def _lists(self, rows: int, lists: int | None) -> int:
        limits = settings.MEMORY_INDEX
        fitting = index.lists_for(rows, dimensions=self._one.dimensions, memory_mb=limits["memory_mb"])
        return index.lists_wanted(rows, lists, least=limits["rows"], fitting=fitting)

    def _build(self, lists: int) -> None:
        name = index.free_name(self._one.key, [each.name for each in index.there()])
        with _watched(self._database, self._tell):
            try:
                self._run(index.statement(name, self._one.key, dimensions=self._one.dimensions, lists=lists))
            except BaseException:  # Ctrl-C too
                self._clean(name)
                raise

    def _clean(self, name: str) -> None:
        """Remove what a failed build left, if that is quickly done; otherwise the next call does it."""
        with suppress(DatabaseError):
            self._run(f"SET statement_timeout = {CLEAN_MS}")
            self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {connection.ops.quote_name(name)}")

    def _drop(self, gone: Index) -> None:
        self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {connection.ops.quote_name(gone.name)}")
        self._report.removed.append(gone.name)

    def _run(self, statement: str) -> None:
        with self._database.cursor() as cursor:
            cursor.execute(statement)


def _parted(key: str, found: list[Index]) -> tuple[list[Index], list[Index]]:
    """The embedder's own, and the rest."""
    mine = [each for each in found if each.name.startswith(index.stem(key))]
    return mine, [each for each in found if each not in mine]


def _standing(found: Report, indexes: list[Index]) -> Report:
    for each in _parted(found.embedder, indexes)[0]:
        if each.valid:
            found.index, found.lists, found.bytes = each.name, each.lists, each.bytes
    return found


@contextmanager
def _alone() -> Iterator[BaseDatabaseWrapper | None]:
    """A connection that is set up for this, or None if another process has the lock."""
    with closing(connection.copy()) as database:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
            mine = cursor.fetchone()[0]
            cursor.execute(SETTINGS, [f"{LONGEST_S}s", f"{settings.MEMORY_INDEX['memory_mb']}MB"])
        yield database if mine else None


@contextmanager
def _watched(database: BaseDatabaseWrapper, tell: Tell | None) -> Iterator[None]:
    """Tells of the progress of what the connection does until the end of the block."""
    if tell is None:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(database.connection.info.backend_pid, tell, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(pid: int, tell: Tell, over: threading.Event) -> None:
    with closing(connection.copy()) as database:
        while not over.wait(LOOK_S):
            with database.cursor() as cursor:
                cursor.execute(PROGRESS, [pid])
                for phase, blocks, of_blocks, rows, of_rows in cursor.fetchall():
                    tell(Progress(phase, rows, of_rows) if of_rows else Progress(phase, blocks, of_blocks))

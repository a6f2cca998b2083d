"""How long the blackboard takes with many keys, beside plain SQL on plain tables, in turns on the same machine.

Every put is durable: one transaction with its event, version and the check of its namespace. The limit puts the same
value into a table with a primary key by one statement, and reads from a table with an index for each end of the keys.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from domains import sql
from domains.thunderflow.blackboard import actions, queries
from thunderline.bench.arena import Arena, arena

OPTIONS = ("keys", "rounds")
FOUND = 100
"""Entries that a query returns."""
BATCH = 1000
BY = "user:bench"
VALUE = {"text": "The tide went out one evening further than it should.", "tick": 1904, "seen": ["Oda", "Pell", "Ines"]}
Report = Callable[[str], None]

PREPARE = """
CREATE TABLE limit_entries (key text COLLATE "C" PRIMARY KEY, value json NOT NULL);
CREATE INDEX ON limit_entries (reverse(key));
INSERT INTO limit_entries SELECT key, value FROM blackboard_entries;
ANALYZE limit_entries;
"""
PUT = "INSERT INTO limit_entries VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
GET = "SELECT value FROM limit_entries WHERE key = %s"
BY_PREFIX = "SELECT key, value FROM limit_entries WHERE key >= %s AND key < %s ORDER BY key"
BY_SUFFIX = "SELECT key, value FROM limit_entries WHERE reverse(key) >= %s AND reverse(key) < %s ORDER BY key"


@dataclass(slots=True)
class Figures:
    """What is printed. Milliseconds, `{p50, p99}`; `query_ms` is the worse of both ends."""

    keys: int
    rounds: int
    put_ms: dict[str, float] = field(default_factory=dict)
    limit_put_ms: dict[str, float] = field(default_factory=dict)
    get_ms: dict[str, float] = field(default_factory=dict)
    limit_get_ms: dict[str, float] = field(default_factory=dict)
    query_ms: dict[str, float] = field(default_factory=dict)
    query_by_prefix_ms: dict[str, float] = field(default_factory=dict)
    limit_query_by_prefix_ms: dict[str, float] = field(default_factory=dict)
    query_by_suffix_ms: dict[str, float] = field(default_factory=dict)
    limit_query_by_suffix_ms: dict[str, float] = field(default_factory=dict)
    put_many_per_s: float = 0.0
    checked: str = ""


def run(*, keys: int, rounds: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Fill the board, then let each kind of call and its limit take turns. Returns the figures."""
    figures = Figures(keys, rounds)
    with arena() as place:
        say(f"{keys:,} keys are put")
        started = time.perf_counter()
        for first in range(0, keys, BATCH):
            puts = [actions.Put(key(n, keys), VALUE) for n in range(first, min(keys, first + BATCH))]
            actions.put_many(puts, by=BY)
        figures.put_many_per_s = round(keys / (time.perf_counter() - started), 1)
        sql.execute("ANALYZE blackboard_entries")
        with Limit(place) as database:
            _measure(figures, database, say)
        figures.checked = check(figures)
    return asdict(figures)


def key(n: int, keys: int) -> str:
    """The n-th: a hundred each begin alike, and a hundred others end alike."""
    return f"bench.g{n // FOUND}.n{n}.s{n % max(1, keys // FOUND)}"


class Limit:
    """The same entries in a plain table, on a connection without Django."""

    def __init__(self, place: Arena) -> None:
        self.url = place.database_url

    def __enter__(self) -> psycopg.Connection[Any]:
        self.database = psycopg.connect(self.url, autocommit=True, prepare_threshold=1)
        self.database.execute(PREPARE, prepare=False)
        return self.database

    def __exit__(self, *_: object) -> None:
        self.database.close()


def _measure(figures: Figures, database: psycopg.Connection[Any], say: Report) -> None:
    chance, groups = random.Random(7), max(1, figures.keys // FOUND)  # noqa: S311
    encoded = psycopg.types.json.Json(VALUE)

    def some() -> str:
        return key(chance.randrange(figures.keys), figures.keys)

    def group() -> str:
        return str(chance.randrange(groups))

    def by_prefix(words: str) -> int:
        return len(database.execute(BY_PREFIX, [f"{words}.", f"{words}/"]).fetchall())

    def by_suffix(words: str) -> int:
        return len(database.execute(BY_SUFFIX, [f"{words[::-1]}.", f"{words[::-1]}/"]).fetchall())

    for name, wanted, ours, theirs in (
        ("put", some, lambda key: actions.put(key, VALUE, by=BY), lambda key: database.execute(PUT, [key, encoded])),
        ("get", some, queries.get, lambda key: database.execute(GET, [key]).fetchone()),
        ("query_by_prefix", lambda: f"bench.g{group()}", lambda w: queries.query(f"{w}.**"), by_prefix),
        ("query_by_suffix", lambda: f"s{group()}", lambda w: queries.query(f"**.{w}"), by_suffix),
    ):
        say(f"{name}, in turns with plain SQL")
        mine, limits = _in_turns(figures.rounds, wanted, ours, theirs)
        setattr(figures, f"{name}_ms", mine)
        setattr(figures, f"limit_{name}_ms", limits)
    ends = figures.query_by_prefix_ms, figures.query_by_suffix_ms
    figures.query_ms = {q: max(of[q] for of in ends) for q in ("p50", "p99")}


def _in_turns(rounds: int, wanted: Callable[[], str], *calls: Callable[[str], object]) -> list[dict[str, float]]:
    """Milliseconds of each call; a tenth of the rounds go before and are not counted."""
    took: list[list[float]] = [[] for _ in calls]
    for n in range(-rounds // 10, rounds):
        for call, times in zip(calls, took, strict=True):
            word, started = wanted(), time.perf_counter()
            call(word)
            if n >= 0:
                times.append((time.perf_counter() - started) * 1000)
    return [dict(_quantiles(times)) for times in took]


def _quantiles(times: list[float]) -> Iterator[tuple[str, float]]:
    times.sort()
    for q in (50, 99):
        yield f"p{q}", round(times[min(len(times) - 1, len(times) * q // 100)], 3)


def check(figures: Figures) -> str:
    """Compare the board with its history. Raises: RuntimeError when they differ."""
    entries = sql.fetch_rows("SELECT count(*), max(version) FROM blackboard_entries")[0]
    told = sql.fetch_rows("SELECT count(*), max(seq) FROM events WHERE stream = 'blackboard:bench'")[0]
    found = len(queries.query("bench.g0.**")), len(queries.query("**.s0"))
    wanted = min(FOUND, figures.keys)
    if entries[0] != figures.keys or told[0] != told[1] or entries[1] > told[1] or found[0] != wanted:
        raise RuntimeError(f"{entries[0]} entries at {entries[1]}, {told[0]} events at {told[1]}, {found} found")
    return f"{entries[0]} entries, {told[0]} events without a gap, {found[0]} and {found[1]} found by either end"

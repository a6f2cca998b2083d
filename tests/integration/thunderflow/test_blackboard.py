"""The blackboard in PostgreSQL: the contract of all boards, and what is this one's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Event as Flag
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction

from domains import sql
from domains.lifecycle import Tick, domain
from domains.thunderflow import queries as flow
from domains.thunderflow.blackboard import actions, keys, queries
from domains.thunderflow.blackboard.actions import Put
from domains.thunderflow.blackboard.errors import AccessDenied, BadKey, BadValue, VersionConflict
from tests.contracts.blackboard import BlackboardContract
from tests.threads import at_once, threads, wait_for_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


class InPostgres:
    """The shipped board as the contract wants it."""

    put, delete = staticmethod(actions.put), staticmethod(actions.delete)
    get, query = staticmethod(queries.get), staticmethod(queries.query)
    sweep = staticmethod(actions.expire_all)

    def put_many(self, items: Sequence[tuple[str, Any]], *, by: str) -> list[queries.Entry]:
        return actions.put_many([Put(key, value) for key, value in items], by=by)

    def own(self, namespace: str, *, by: str, writers: str) -> None:
        actions.set_namespace(namespace, by=by, writers=writers)

    def changes(self, namespace: str) -> list[tuple[str, str, int, str]]:
        found = flow.read_stream(f"blackboard:{namespace}", after=0)
        assert all(e.topic == f"blackboard.{e.payload['key']}" for e in found)
        assert all(e.payload["entry_version"] == e.seq for e in found)
        return [(e.payload["key"], e.payload["change"], e.seq, e.actor) for e in found]

    def leave(self) -> None:
        connections.close_all()


class TestInPostgres(BlackboardContract):
    @pytest.fixture
    def board(self) -> InPostgres:
        return InPostgres()


def changes(namespace: str) -> list[dict[str, Any]]:
    return [e.payload for e in flow.read_stream(f"blackboard:{namespace}", after=0)]


def test_an_event_tells_all_of_a_change() -> None:
    first = actions.put("town.clock", {"at": "noon"}, by="user:ada", ttl_s=3600)
    actions.delete("town.clock", by="user:ben")
    put, deleted = changes("town")
    assert first.expires_at
    assert put == {
        "key": "town.clock", "change": "put", "entry_version": 1, "was_version": 0, "value": {"at": "noon"},
        "author": "user:ada", "expires_at": put["expires_at"],
    }  # fmt: skip
    assert datetime.fromisoformat(put["expires_at"]) == first.expires_at
    assert (deleted["change"], deleted["was_version"], deleted["value"], deleted["author"]) == (
        "deleted", 1, None, "user:ben",
    )  # fmt: skip


def test_what_is_rolled_back_has_no_event_and_no_entry() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        actions.put("town.clock", 1, by="user:ada")
        raise ZeroDivisionError
    assert queries.get("town.clock") is None
    assert changes("town") == []
    assert queries.namespaces() == []
    assert actions.put("town.clock", 1, by="user:ada").version == 1


def test_who_puts_first_owns_the_namespace() -> None:
    actions.put("town.clock", 1, by="agent:Mara")
    actions.put("town.bell", 1, by="user:ada")
    assert queries.namespace("town") == queries.Namespace("town", "agent:Mara", "everybody")
    told = [e.payload for e in flow.read_stream("system", after=0) if e.topic == "system.blackboard_namespace"]
    assert told == [{"namespace": "town", "owner": "agent:Mara", "writers": "everybody"}]


def test_an_operator_decides_about_every_namespace() -> None:
    actions.set_namespace("town", by="user:ada", writers="owner")
    with pytest.raises(AccessDenied, match="only user:ada may write in town"):
        actions.put("town.clock", 1, by="user:root")
    actions.put("town.clock", 1, by="user:root", operator=True)
    actions.set_namespace("town", by="user:root", owner="user:ben", operator=True)
    assert queries.namespace("town") == queries.Namespace("town", "user:ben", "owner")
    actions.delete("town.clock", by="user:ben")
    with pytest.raises(BadValue, match="everybody or owner"):
        actions.set_namespace("town", by="user:ben", writers="friends")
    with pytest.raises(BadKey, match="first word"):
        actions.set_namespace("town.hall", by="user:ben")


def test_a_refusal_says_what_is_there() -> None:
    actions.put("town.clock", 1, by="user:ada")
    with pytest.raises(VersionConflict, match=r"town.clock: version 4 was expected, and it is at version 1") as refused:
        actions.put("town.clock", 2, by="user:ada", expect=4)
    assert (refused.value.key, refused.value.expected, refused.value.actual) == ("town.clock", 4, 1)
    with pytest.raises(VersionConflict, match="there is no such entry; read it again"):
        actions.put("town.bell", 2, by="user:ada", expect=4)


def test_of_many_only_what_is_refused_is_left_out() -> None:
    actions.set_namespace("closed", by="user:ada", writers="owner")
    puts = [
        Put("town.a", 1, by="agent:Mara"),
        Put("closed.a", 1, by="agent:Mara"),
        Put("town.a", 2, expect=0, by="agent:Ben"),
        Put("town..a", 3, by="agent:Ben"),
        Put("town.a", 4, by="agent:Ben"),
    ]
    with transaction.atomic():
        done = actions.put_possible(puts, by="system")
    assert [getattr(one, "code", None) for one in done] == [None, "access_denied", "version_conflict", "bad_key", None]
    entry = queries.get("town.a")
    assert entry
    assert (entry.value, entry.author) == (4, "agent:Ben")
    assert [c["value"] for c in changes("town")] == [1, 4]
    with pytest.raises(sql.NoTransaction):
        actions.put_possible(puts, by="system")


def test_writers_of_a_namespace_wait_for_each_other_and_no_other() -> None:
    actions.put_many([Put("town.a", 0), Put("mill.a", 0)], by="user:ada")
    with threads() as others:
        with transaction.atomic():
            actions.put("town.a", 1, by="user:ada")
            waiting = others.start(lambda: actions.put("town.a", 2, by="user:ben", expect=1))
            wait_for_lock()
            assert others.start(lambda: actions.put("mill.a", 1, by="user:ben")).result(timeout=30).version == 2
        with pytest.raises(VersionConflict, match="it is at version 2"):
            waiting.result(timeout=30)


def test_those_who_write_in_many_namespaces_do_not_lock_each_other_out() -> None:
    names = [f"ns{n}" for n in range(6)]

    def write(order: list[str]) -> None:
        for n in range(15):
            actions.put_many([Put(f"{name}.x", n) for name in order], by="user:ada")

    at_once(lambda: write(names), lambda: write(names[::-1]), lambda: write(names[3:] + names[:3]))
    assert all(len(changes(name)) == 45 for name in names)


def test_the_heartbeat_sweeps_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    actions.put_many([Put(f"town.{n}", n, ttl_s=0.001) for n in range(25)], by="user:ada")
    monkeypatch.setattr(actions, "SWEPT_AT_ONCE", 10)
    monkeypatch.setattr(actions.expire, "__kwdefaults__", {"most": 10})
    assert sql.fetch_rows("SELECT pg_sleep(0.01)")
    domain("thunderflow").on_tick(Tick(1, datetime.now(UTC)))
    assert sql.fetch_rows("SELECT count(*) FROM blackboard_entries") == [(0,)]
    expired = [c for c in changes("town") if c["change"] == "expired"]
    assert len(expired) == 25
    assert {c["author"] for c in expired} == {"user:ada"}


def test_two_sweepers_tell_once() -> None:
    actions.put_many([Put(f"town.{n}", n, ttl_s=0.001) for n in range(50)], by="user:ada")
    assert sql.fetch_rows("SELECT pg_sleep(0.01)")
    assert sum(at_once(actions.expire, actions.expire, actions.expire)) == 50
    assert [c["change"] for c in changes("town")].count("expired") == 50


def test_a_sweep_waits_for_nobody() -> None:
    actions.put("town.clock", 1, by="user:ada", ttl_s=0.001)
    with threads() as started:
        begun, release = Flag(), Flag()

        def hold() -> None:
            with transaction.atomic():
                actions.put("town.bell", 1, by="user:ada")
                begun.set()
                assert release.wait(30)

        holding = started.start(hold)
        try:
            assert begun.wait(30)
            began = time.monotonic()
            assert actions.expire_all() == 0
            assert time.monotonic() - began < 5
        finally:
            release.set()
        holding.result(30)
    assert actions.expire_all() == 1


def test_a_value_is_nested_no_deeper_than_can_be_told_and_shown() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    deepest = 254 - keys.WRAPPED
    for depth in (deepest + 1, 252, 253, 254, 255, 5000):
        with pytest.raises(BadValue):
            actions.put("town.clock", nested(depth), by="user:ada")
    actions.put("town.clock", nested(deepest), by="user:ada")
    (told,) = flow.read_stream("blackboard:town", after=0)
    assert told.plain()["payload"]["value"] == nested(deepest)


def test_what_is_refused_leaves_no_counter_behind() -> None:
    with transaction.atomic():
        actions.set_namespace("town", by="user:ada")
        done = actions.put_possible([Put(key, 1, expect=5) for key in ("town.x", "mill.x", "well.x")], by="user:ada")
    assert [type(one) for one in done] == [VersionConflict] * 3
    streams = "SELECT name, seq FROM event_streams WHERE name LIKE 'blackboard:%%'"
    assert sql.fetch_rows(streams) == [("blackboard:town", 0)]


def test_who_waits_for_a_counter_that_goes_makes_it_anew() -> None:
    with threads() as started, transaction.atomic():
        actions.put_possible([Put("town.x", 1, expect=5)], by="user:ada")
        waiting = [started.start(lambda n=n: actions.put(f"town.{n}", n, by="user:ben")) for n in range(3)]
        wait_for_lock(3)
    assert sorted(one.result(30).version for one in waiting) == [1, 2, 3]


def test_a_put_costs_the_same_however_many(count_queries: Any) -> None:
    actions.put_many([Put(f"town.{n}", n) for n in range(3)], by="user:ada")
    costs = []
    for many in (1, 300):
        with count_queries() as statements:
            actions.put_many([Put(f"town.{n}", -n) for n in range(many)], by="user:ada")
        costs.append(len(statements))
    assert costs == [2, 2]  # lock and look, counters and rows; COPY is no statement of its own


def test_the_database_keeps_the_rules_too() -> None:
    for broken in (
        "INSERT INTO blackboard_entries VALUES ('a', '1', 0, 'x', NULL, now())",
        "INSERT INTO blackboard_namespaces (name, owner, writers) VALUES ('a', 'x', 'friends')",
    ):
        with pytest.raises(psycopg.errors.CheckViolation), transaction.atomic():
            sql.execute(broken)


class TestPlans:
    """With 100,000 keys and a plan that was made without their values, an index leads there."""

    @pytest.fixture(autouse=True)
    def many(self) -> None:
        sql.execute(
            """INSERT INTO blackboard_entries (key, value, version, author, updated_at)
               SELECT format('plan.g%s.n%s.s%s', n % 1000, n, n / 100), '{}', n + 1, 'x', now()
               FROM generate_series(0, 99999) AS n"""
        )
        sql.execute("ANALYZE blackboard_entries")
        sql.execute("SET plan_cache_mode = force_generic_plan")
        yield
        sql.execute("RESET plan_cache_mode")

    @pytest.mark.parametrize(
        ("pattern", "statement", "index"),
        [
            ("plan.g77.**", "BY_KEY", "blackboard_entries_pkey"),
            ("plan.g77.*.*", "BY_KEY", "blackboard_entries_pkey"),
            ("**.s77", "BY_SUFFIX", "blackboard_backwards"),
            ("plan.*.*.s77", "BY_SUFFIX", "blackboard_backwards"),
        ],
    )
    def test_it_goes_by_an_index(self, pattern: str, statement: str, index: str) -> None:
        ends = keys.ends(pattern)
        by_suffix = ends.suffix is not None and (ends.prefix is None or queries._suffix_is_better(ends))
        assert by_suffix == (statement == "BY_SUFFIX")
        low, high = (ends.suffix if by_suffix else ends.prefix) or ("", "")
        values = {"low": low, "high": high, "after": "", "regex": ends.regex, "limit": 1000}
        with connection.cursor() as cursor:
            text = getattr(queries, statement)
            for name in values:
                text = text.replace(f"%({name})s", f"${list(values).index(name) + 1}")
            cursor.execute(f"PREPARE plan_test (text, text, text, text, int) AS {text}")
            try:
                order = [psycopg.sql.Literal(value) for value in values.values()]
                explain = psycopg.sql.SQL("EXPLAIN (ANALYZE, BUFFERS) EXECUTE plan_test ({})")
                cursor.execute(explain.format(psycopg.sql.SQL(", ").join(order)).as_string(cursor.connection))
                plan = "\n".join(row[0] for row in cursor.fetchall())
            finally:
                cursor.execute("DEALLOCATE plan_test")
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "Filter: 0" not in plan
        found = queries.query(pattern, limit=1000)
        assert len(found) == 100
        assert [e.key for e in found] == sorted(e.key for e in found)

    def test_of_two_ends_the_better_one_is_taken(self) -> None:
        assert queries._suffix_is_better(keys.ends("plan.**.s5"))
        assert not queries._suffix_is_better(keys.ends("plan.g5.**"))
        assert not queries._suffix_is_better(keys.ends("plan.g5.*.s5"))

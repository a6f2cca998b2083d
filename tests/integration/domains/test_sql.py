from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, connection, transaction

from domains import sql
from domains.sql import NoTransaction
from domains.thunderlink.models import HeartbeatTick

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
COLUMNS = {"slot": "int4", "number": "int8", "at": "timestamptz", "latency_ms": "float8", "active_domains": "int4"}


def test_rows_come_as_dicts_or_as_tuples() -> None:
    query = "SELECT n, n * 2 AS twice FROM generate_series(1, %s::int) AS n"
    assert sql.fetch(query, [2]) == [{"n": 1, "twice": 2}, {"n": 2, "twice": 4}]
    assert sql.fetch_rows(query, [2]) == [(1, 2), (2, 4)]
    assert sql.fetch("SELECT %(a)s::text AS a", {"a": "x"}) == [{"a": "x"}]


def test_a_query_without_values_may_have_percent_signs() -> None:
    assert sql.fetch_rows("SELECT 7 % 4, 'a' LIKE 'a%'") == [(3, True)]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**53, 1.5, "", 'quotes " and \\ and \n', "橋 🌉", [], {}, [1, [2, {"a": None}]],
        {"key": {"deep": [1.25, False]}},
    ],
)  # fmt: skip
def test_json_goes_in_plain_and_comes_back_decoded(value: Any) -> None:
    assert sql.fetch_rows("SELECT %s", [sql.jsonb(value)]) == [(value,)]
    assert sql.fetch("SELECT %s AS value", [sql.jsonb(value)]) == [{"value": value}]


def test_json_takes_ids_and_instants() -> None:
    ((back,),) = sql.fetch_rows("SELECT %s", [sql.jsonb({"id": UUID(int=1), "at": NOW})])
    assert back == {"id": str(UUID(int=1)), "at": "2026-01-02T03:04:05.678901+00:00"}


def test_django_s_own_json_fields_are_left_alone() -> None:
    sql.fetch_rows("SELECT '1'::jsonb")
    with connection.cursor() as cursor:
        cursor.execute("SELECT '{\"a\": 1}'::jsonb")
        assert cursor.fetchone() == ('{"a": 1}',)


def test_arrays_are_encoded_at_once() -> None:
    floats, integers, ids = [0.1, -1e300, 0.0], [-(2**63), 0, 2**63 - 1], [UUID(int=n) for n in (0, 7, 2**128 - 1)]
    query = "SELECT %s::float8[], %s::int8[], %s::uuid[]"
    assert sql.fetch_rows(query, [sql.Floats(floats), sql.Integers(integers), sql.Ids(ids)]) == [
        (floats, integers, ids)
    ]
    assert sql.fetch_rows(query, [sql.Floats(), sql.Integers(), sql.Ids()]) == [([], [], [])]


def test_json_as_written_comes_back_decoded_too() -> None:
    assert sql.fetch_rows("""SELECT '{"b": 1, "a": [2.50]}'::json""") == [({"b": 1, "a": [2.5]},)]


def test_copying_writes_every_row_with_its_types() -> None:
    rows = [(n, n * 10**12, NOW, n / 3, n) for n in range(100)]
    sql.copy("heartbeat_ticks", COLUMNS, iter(rows))
    stored = HeartbeatTick.objects.order_by("slot").values_list("slot", "number", "at", "latency_ms", "active_domains")
    assert list(stored) == rows


def test_copying_nothing_writes_nothing() -> None:
    sql.copy("heartbeat_ticks", COLUMNS, [])
    assert not HeartbeatTick.objects.exists()


def test_names_of_tables_and_columns_are_quoted() -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match='"heartbeat_ticks; DROP TABLE heart" does not exist'):
        sql.copy("heartbeat_ticks; DROP TABLE heart", COLUMNS, [])


def test_a_statement_says_how_many_rows_it_touched() -> None:
    sql.copy("heartbeat_ticks", COLUMNS, [(n, n, NOW, 0.0, 0) for n in range(3)])
    assert sql.execute("UPDATE heartbeat_ticks SET number = number + %s WHERE slot > 0", [5]) == 2
    assert sql.execute("DELETE FROM heartbeat_ticks WHERE slot = 99") == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_raw_statements_stand_and_fall_with_django_s_transaction() -> None:
    with pytest.raises(KeyError), transaction.atomic():
        sql.copy("heartbeat_ticks", COLUMNS, [(1, 1, NOW, 0.0, 0)])
        sql.execute("INSERT INTO heart (id, tick_number) VALUES (1, 7)")
        assert HeartbeatTick.objects.count() == 1
        raise KeyError
    assert not HeartbeatTick.objects.exists()
    assert sql.fetch_rows("SELECT * FROM heart") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_must_commit_with_something_else_is_refused_alone() -> None:
    with pytest.raises(
        NoTransaction, match=r"COPY into heartbeat_ticks needs an open transaction.*transaction\.atomic"
    ):
        sql.copy("heartbeat_ticks", COLUMNS, [(1, 1, NOW, 0.0, 0)])
    assert not HeartbeatTick.objects.exists()
    with pytest.raises(NoTransaction):
        sql.require_transaction("this")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_a_connection_is_opened_when_there_is_none() -> None:
    connection.close()
    assert sql.fetch_rows("SELECT 1") == [(1,)]


def test_errors_are_psycopg_s_and_leave_the_outer_transaction_whole() -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), transaction.atomic():
        sql.execute("SELECT 1/0")
    with pytest.raises(DataError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    assert sql.fetch_rows("SELECT 1") == [(1,)]

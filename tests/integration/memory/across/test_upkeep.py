"""The index across agents: built when there are enough, used, replaced, and gone when it is of no use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from django.db import OperationalError, transaction
from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from domains.lifecycle import Tick
from memory import actions, embedding, queries, tasks, vectors
from memory.across import index, upkeep
from memory.across.queries import SCAN, statement
from memory.actions import NewMemory
from memory.models import MemoryNode
from tests.conftest import CountQueries
from tests.factories.worlds import make_world
from tests.integration.memory.across.making import QUESTIONS, no_index_left, remember
from tests.threads import threads, wait_for_lock

__all__ = ["no_index_left"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits", "no_index_left", "low")]

WHALE = "A whale swam into the harbour at noon."


@pytest.fixture
def low(settings: Any) -> None:
    """An index from two thousand on, which gets eight lists at least."""
    settings.MEMORY_INDEX = {"rows": 2000, "read": 2000, "memory_mb": 128}


@pytest.fixture
def agents() -> list[UUID]:
    return list(make_world(agents=4).agents.order_by("ordinal").values_list("pk", flat=True))


def plan(text: str, *, whole: bool = False) -> str:
    """How PostgreSQL goes about a search."""
    asked = embedding.of_questions([text])
    assert asked is not None
    vectors.register()
    params = {
        "embedder": asked.name, "vector": HalfVector(asked.halves[0]), "at": timezone.now(), "limit": 10,
        "candidates": 100, "agents": None, "kinds": None, "tags": None,
    }  # fmt: skip
    with transaction.atomic():
        sql.fetch_rows(SCAN, ["4"])
        return "\n".join(
            row[0] for row in sql.fetch_rows("EXPLAIN " + statement(256, whole=whole), params, prepare=False)
        )


def store(agent_id: UUID, text: str) -> list[UUID]:
    with transaction.atomic():
        return [each for each in actions.store_many([NewMemory(agent_id, text)]) if each is not None]


def analyse() -> None:
    """As autovacuum does a minute after much was written."""
    sql.execute("ANALYZE memory_nodes")


@contextmanager
def somebody_writes() -> Iterator[psycopg.Connection]:
    """A transaction that has written memories and does not end: a build waits for it."""
    here = sql.raw().info
    with psycopg.connect(here.dsn, password=here.password) as other:
        other.execute("LOCK TABLE memory_nodes IN ROW EXCLUSIVE MODE")
        yield other


def test_below_the_threshold_there_is_none(agents: list[UUID]) -> None:
    remember(agents, 1999)
    done = upkeep.tend()
    assert (done.did, done.rows, done.index, done.lists, done.removed) == ("nothing", 1999, None, 0, [])
    assert index.there() == []


def test_it_is_built_used_and_finds_nearly_all(agents: list[UUID], count_queries: CountQueries, settings: Any) -> None:
    settings.MEMORY_INDEX = {**settings.MEMORY_INDEX, "read": 3000}
    remember(agents, 4000)
    done = upkeep.tend()
    assert (done.did, done.rows, done.lists) == ("built", 4000, 8)
    (there,) = index.there()
    assert (there.name, there.valid, there.bytes) == (done.index, True, done.bytes)
    analyse()
    assert f"Index Scan using {there.name}" in plan(QUESTIONS[0])
    with count_queries() as statements:
        queries.search_all(QUESTIONS[0])
    assert len(statements) == 3
    shares = []
    for text in QUESTIONS:
        nearest = queries.search_all(text, exact=True)
        found = queries.search_all(text)
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        assert len({each.id for each in found}) == len(found) == 10
        # Of texts of the same words the index may give any: their scores are what must be as good.
        shares.append(sum(each.score >= nearest[-1].score - 1e-6 for each in found) / 10)
    assert sum(shares) / len(shares) >= 0.9
    assert upkeep.tend().did == "nothing"


def test_filters_find_enough_behind_the_index(agents: list[UUID]) -> None:
    remember(agents, 3000)
    remember(agents, 24, start=3000, kind="emotional", tags=("rare",))
    remember(agents, 400, start=3100, kind="semantic")
    upkeep.tend()
    analyse()
    (few,) = make_world("Other", agents=1).agents.values_list("pk", flat=True)
    remember([few], 30, start=3600)
    for filters, many in (
        ({"kinds": ["emotional"]}, 24), ({"tags": ["rare"]}, 24), ({"kinds": ["semantic"]}, 50),
        ({"agents": [few]}, 30), ({"agents": agents[:1]}, 50), ({"agents": agents[:1], "tags": ["rare"]}, 6),
    ):  # fmt: skip
        found = queries.search_all("the red boat in the market", limit=50, **filters)
        assert len(found) == many, filters
    with transaction.atomic():  # without the other ways the scan must go on by itself
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute("SET LOCAL enable_bitmapscan = off")
        assert len(queries.search_all("the red boat in the market", limit=50, tags=["rare"])) == 24


def test_what_is_stored_later_is_found_and_what_is_forgotten_is_not(agents: list[UUID]) -> None:
    remember(agents, 2500)
    upkeep.tend()
    analyse()
    (new,) = store(agents[1], WHALE)
    assert queries.search_all(WHALE)[0].id == new
    with transaction.atomic():
        actions.forget(agents[1], [new], by="tests", reason="test")
    assert new not in [each.id for each in queries.search_all(WHALE)]


def test_it_is_replaced_when_rows_have_doubled_and_goes_when_few_are_left(
    agents: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ROWS_A_LIST", 200)
    remember(agents, 2000)
    first = upkeep.tend()
    assert (first.did, first.lists) == ("built", 10)
    remember(agents, 1900, start=2000)
    assert upkeep.tend().did == "nothing"
    remember(agents, 100, start=3900)
    second = upkeep.tend()
    assert (second.did, second.lists, second.removed) == ("replaced", 20, [first.index])
    assert [each.name for each in index.there()] == [second.index] != [first.index]
    MemoryNode.objects.filter(pk__in=MemoryNode.objects.values("pk")[:3001]).delete()
    third = upkeep.tend()
    assert (third.did, third.index, third.lists, third.removed) == ("dropped", None, 0, [second.index])
    assert index.there() == []


# As versions before built it, over whole vectors and their angles.
EARLIER = """
CREATE INDEX CONCURRENTLY {} ON memory_nodes USING ivfflat ((embedding::halfvec(256)) halfvec_cosine_ops)
WITH (lists = 8) WHERE embedder = 'local:wordllama-l2-256/256'
"""


def test_one_of_an_earlier_version_serves_until_it_is_replaced(agents: list[UUID]) -> None:
    remember(agents, 2500)
    earlier = index.free_name(embedding.current(), [])
    with sql.raw().cursor() as cursor:
        cursor.execute(EARLIER.format(earlier).encode())
    analyse()
    scan = index.scan(embedding.current(), read=2500)
    assert scan == index.Scan(probes=8, whole=True)
    assert f"Index Scan using {earlier}" in plan(QUESTIONS[0], whole=True)
    nearest = {text: [each.score for each in queries.search_all(text, exact=True)] for text in QUESTIONS}
    assert {text: [each.score for each in queries.search_all(text)] for text in QUESTIONS} == nearest
    done = upkeep.tend()
    assert (done.did, done.removed) == ("replaced", [earlier])
    assert [(each.name, each.whole) for each in index.there()] == [(done.index, False)]
    assert index.scan(embedding.current(), read=2500) == index.Scan(probes=8, whole=False)
    assert {text: [each.score for each in queries.search_all(text)] for text in QUESTIONS} == nearest
    assert upkeep.tend().did == "nothing"


def test_texts_without_words_are_near_to_nothing(agents: list[UUID]) -> None:
    remember(agents, 2000)
    mute = remember(agents[:1], 300, start=2000)
    MemoryNode.objects.filter(pk__in=mute).update(embedding=HalfVector([0] * 256), kind="emotional")
    remember(agents[1:2], 12, start=2300, kind="emotional")
    upkeep.tend()
    analyse()
    found = queries.search_all("the red boat in the market", kinds=["emotional"])
    assert len(found) == 10
    assert not {each.id for each in found}.intersection(mute)


def test_another_embedder_gets_its_own_and_the_old_one_goes(agents: list[UUID], settings: Any) -> None:
    settings.EMBEDDER = {"kind": "local", "dimensions": 64}
    remember(agents, 2200)
    old = upkeep.tend()
    assert old.did == "built"
    settings.EMBEDDER = {"kind": "local", "dimensions": None}
    between = upkeep.tend()
    assert (between.did, between.rows, between.index) == ("nothing", 0, None)
    assert [each.name for each in index.there()] == [old.index], "it serves who has not gone over"
    actions.reembed(batch=5000)
    new = upkeep.tend()
    assert (new.did, new.rows, new.removed) == ("built", 2200, [old.index])
    assert [each.name for each in index.there()] == [new.index]
    analyse()
    assert str(new.index) in plan(QUESTIONS[0])


def test_stores_go_on_during_a_build_and_nobody_builds_beside_it(agents: list[UUID]) -> None:
    remember(agents, 2500)
    told: list[upkeep.Progress] = []
    with threads() as started:
        with somebody_writes():
            building = started.start(lambda: upkeep.tend(tell=told.append))
            wait_for_lock()
            (stored,) = store(agents[0], WHALE)
            assert queries.search_all(WHALE)[0].id == stored
            beside = upkeep.tend()
            assert (beside.did, beside.index, beside.rows) == ("busy", None, 2501)
            while not told:
                assert not building.done()
        done = building.result(timeout=60)
    assert done.did == "built"
    assert "waiting" in told[0].phase
    analyse()
    assert done.index is not None
    assert done.index in plan(WHALE)
    assert queries.search_all(WHALE)[0].id == stored


def test_what_a_broken_build_left_is_replaced(
    agents: list[UUID], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CLEAN_MS", 100)  # it cannot while somebody writes
    remember(agents, 2500)
    with threads() as started, somebody_writes():
        building = started.start(upkeep.tend)
        wait_for_lock()
        sql.fetch_rows("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index")
        with pytest.raises(OperationalError):
            building.result(timeout=60)
        # A killed process's backend goes with it: the same as far as the index is concerned.
        building = started.start(upkeep.tend)
        wait_for_lock()
        sql.fetch_rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%'")
        with pytest.raises(OperationalError):
            building.result(timeout=60)
    (broken,) = index.there()
    assert not broken.valid
    with caplog.at_level(logging.INFO, logger="memory.across.upkeep"):
        done = upkeep.tend()
    assert (done.did, done.removed) == ("built", [broken.name])
    assert [each.valid for each in index.there()] == [True]
    assert "built" in caplog.text


def test_one_of_two_goes(agents: list[UUID]) -> None:
    """Killed between building the new one and dropping the old one."""
    remember(agents, 2500)
    one = upkeep.tend()
    with sql.raw().cursor() as cursor:
        cursor.execute(index.statement("memory_across_x", "local:wordllama-l2-256/256", dimensions=256, lists=8))
        twin = index.free_name(one.embedder, [str(one.index)])
        cursor.execute(index.statement(twin, one.embedder, dimensions=256, lists=9))
    done = upkeep.tend()
    assert done.did == "nothing"
    assert len([each for each in index.there() if each.name.startswith(index.stem(one.embedder))]) == 1
    assert len(done.removed) == 1


def test_a_build_without_room_is_refused_and_leaves_nothing_behind(agents: list[UUID], settings: Any) -> None:
    remember(agents, 2500)
    settings.MEMORY_INDEX = {**settings.MEMORY_INDEX, "memory_mb": 1}
    with pytest.raises(OperationalError, match="memory required"):
        upkeep.tend()
    assert index.there() == []
    settings.MEMORY_INDEX = {**settings.MEMORY_INDEX, "memory_mb": 128}
    assert upkeep.tend().did == "built"
    assert sql.fetch_rows("SHOW max_parallel_maintenance_workers") != [("0",)], "settings went with the connection"


def test_not_within_a_transaction(agents: list[UUID]) -> None:
    with transaction.atomic(), pytest.raises(transaction.TransactionManagementError):
        upkeep.tend()


def test_the_task_does_it_while_the_domain_is_active(agents: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    remember(agents, 2000)
    tasks.tend_index()
    assert index.there() == [], "the domain is not active"
    monkeypatch.setattr("domains.thunderblock.guards.require", lambda name: None)
    tasks.tend_index(argument_of_a_later_version=1)
    assert len(index.there()) == 1
    assert tasks.tend_index.name.startswith("memory."), "it goes to the queue of upkeep"
    assert tasks.tend_index.time_limit > upkeep.LONGEST_S


def test_a_heartbeat_looks_after_it_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.tend_index, "apply_async", lambda *_, **options: sent.append(options))
    for number in range(1, 601):
        apps.get_app_config("memory").on_tick(Tick(number, datetime.now(UTC)))
    assert sent == [{"expires": 300}, {"expires": 300}]


def test_estimates_stand_in_where_counting_would_take_long(agents: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    remember(agents, 2500)
    analyse()
    monkeypatch.setattr(index, "COUNTED", 1000)
    done = upkeep.tend()
    assert done.did == "built"
    assert abs(index.over(index.there()[0]) - 2500) < 100
    monkeypatch.setattr(index, "rows_of", lambda key: 10**6)
    assert upkeep.tend().did == "nothing", "counting does not agree with the estimate"

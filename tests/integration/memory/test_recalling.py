"""Counting what agents recalled: in sets, of the right agents, and without waiting for anybody."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from domains import sql
from domains.sql import NoTransaction
from memory import actions, queries
from memory.actions import NewMemory, Recall
from memory.graph.actions import NewEdge, link
from memory.models import MemoryEdge, MemoryNode, MemoryRecall
from tests.conftest import CountQueries
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def agents() -> list[UUID]:
    return list(make_world(agents=3).agents.order_by("ordinal").values_list("pk", flat=True))


def remember(agent_id: UUID, count: int = 3) -> tuple[UUID, ...]:
    with transaction.atomic():
        ids = actions.store_many([NewMemory(agent_id, f"number {n}") for n in range(count)])
    return tuple(one for one in ids if one)


def counts(agent_id: UUID) -> list[int]:
    return list(MemoryNode.objects.filter(agent_id=agent_id).order_by("id").values_list("access_count", flat=True))


def recall_of(agent_id: UUID) -> tuple[int, int]:
    found = MemoryRecall.objects.get(agent_id=agent_id)
    return found.recalls, found.hits


def test_recalls_of_several_agents_at_once(agents: list[UUID]) -> None:
    ada, bo, cleo = agents
    of_ada, of_bo = remember(ada), remember(bo)
    actions.recalled(
        [
            Recall(ada, of_ada[:2]), Recall(ada, of_ada[:1]), Recall(ada, ()), Recall(bo, of_bo[2:], besides=of_bo[:1]),
            Recall(cleo, ()), Recall(bo, (), besides=of_bo[1:2], counts=False),
        ],
        now=NOW,
    )  # fmt: skip
    assert (counts(ada), counts(bo)) == ([2, 1, 0], [1, 1, 1])
    assert [recall_of(agent) for agent in agents] == [(3, 2), (1, 1), (1, 0)]
    assert MemoryNode.objects.get(pk=of_ada[0]).last_accessed_at == NOW
    assert MemoryNode.objects.get(pk=of_ada[2]).last_accessed_at is None
    actions.recalled([Recall(ada, of_ada[:1])], now=NOW - timedelta(days=1))
    assert (recall_of(ada), counts(ada)) == ((4, 3), [3, 1, 0])
    assert MemoryNode.objects.get(pk=of_ada[0]).last_accessed_at == NOW, "a clock that went back unmakes nothing"


def test_what_is_recalled_together_is_tied_more_strongly(agents: list[UUID]) -> None:
    one, other, third = remember(agents[0])
    link([NewEdge(one, other, "causal", 0.5), NewEdge(one, third, "causal", 0.5)])
    actions.recalled([Recall(agents[0], (one,), besides=(other,))], now=NOW)
    strengths = dict(MemoryEdge.objects.values_list("target_id", "strength"))
    assert strengths == {other: pytest.approx(0.55), third: 0.5}


def test_what_is_another_s_or_gone_is_passed_over(agents: list[UUID]) -> None:
    ada, bo, _ = agents
    of_bo = remember(bo)
    actions.recalled([Recall(ada, (of_bo[0], uuid4()))], now=NOW)
    assert counts(bo) == [0, 0, 0]
    assert recall_of(ada) == (1, 1)


def test_searching_writes_nothing(agents: list[UUID]) -> None:
    remember(agents[0])
    queries.search(agents[0], "number 1")
    assert counts(agents[0]) == [0, 0, 0]
    assert not MemoryRecall.objects.exists()


def test_it_costs_the_same_for_few_and_for_many(agents: list[UUID], count_queries: CountQueries) -> None:
    ids = {agent: remember(agent, 40) for agent in agents}
    seen = []
    for some in (1, 40):
        with count_queries() as statements:
            actions.recalled([Recall(agent, ids[agent][: some + 1]) for agent in agents], now=NOW)
        seen.append(len(statements))
    assert seen == [3, 3]
    with count_queries() as statements:
        actions.recalled([], now=NOW)
    assert len(statements) == 0


def test_no_index_holds_what_a_recall_changes() -> None:
    """Or counting would write to every index of memories."""
    found = sql.fetch_rows(
        """SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
           WHERE i.indrelid = ANY('{memory_nodes, memory_recalls}'::regclass[])"""
    )
    assert not {"access_count", "last_accessed_at", "recalls", "hits", "last_at"} & {name for (name,) in found}
    assert found


def test_more_hits_than_recalls_cannot_be(agents: list[UUID]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        MemoryRecall.objects.create(agent_id=agents[0], recalls=1, hits=2, last_at=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_it_needs_a_transaction(agents: list[UUID]) -> None:
    with pytest.raises(NoTransaction, match="counting what was recalled"):
        actions.recalled([Recall(agents[0], ())], now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_it_waits_for_nobody_who_holds_a_memory(agents: list[UUID]) -> None:
    ids = remember(agents[0])
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT 1 FROM memory_nodes WHERE id = %s FOR UPDATE", [ids[0]])
        with transaction.atomic():
            sql.execute("SET LOCAL lock_timeout = '2s'")
            actions.recalled([Recall(agents[0], ids)], now=NOW)
        other.rollback()
    assert counts(agents[0]) == [0, 1, 1]
    assert recall_of(agents[0]) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_is_rolled_back_was_not_recalled(agents: list[UUID]) -> None:
    ids = remember(agents[0])
    with transaction.atomic():
        actions.recalled([Recall(agents[0], ids)], now=NOW)
        transaction.set_rollback(True)
    assert counts(agents[0]) == [0, 0, 0]
    assert not MemoryRecall.objects.exists()

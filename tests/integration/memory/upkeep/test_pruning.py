"""What faded and what is too much goes, with its reason; what others depend on stays."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from domains import sql
from memory.graph import actions as graph
from memory.graph import facts
from memory.graph.actions import NewEdge
from memory.graph.facts import NewFact
from memory.models import AgentUpkeep, MemoryFact, MemoryNode
from memory.upkeep import state
from memory.upkeep.salience import SALIENCE, salience
from tests.integration.memory.graph.making import NOW, link_all, make_agents
from tests.integration.memory.upkeep.living import (
    DAY,
    OUTING,
    care,
    contents,
    forgotten,
    parts,
    remember_all,
    summaries,
)
from tests.tables import commits
from tests.threads import threads

__all__ = ["commits"]

pytestmark = pytest.mark.django_db

HOURLY = timedelta(hours=1)


@pytest.fixture
def ada() -> UUID:
    return make_agents(1)[0]


@pytest.fixture
def budget(settings: Any) -> Any:
    def is_(most: int, **others: Any) -> None:
        settings.MEMORY = {**settings.MEMORY, "budget": most, **others}

    return is_


def alone(agent_id: UUID, *contents: str, at: Any = NOW, **fields: Any) -> list[UUID]:
    """Hours apart, so that they are no episode."""
    return [remember_all(agent_id, [text], at=at + n * HOURLY, **fields)[0] for n, text in enumerate(contents)]


def test_the_formula_is_the_same_in_sql(ada: UUID) -> None:
    chance = random.Random(7)
    ids = alone(ada, *(f"number {n}" for n in range(60)))
    for node_id in ids:
        recalled = chance.choice([None, NOW - timedelta(days=chance.uniform(-3, 400))])
        MemoryNode.objects.filter(pk=node_id).update(
            importance=chance.choice([0.0, 1.0, chance.random()]), seen_count=chance.choice([1, 2, 10**6]),
            access_count=chance.choice([0, 1, 7, 10**6]), last_accessed_at=recalled,
            last_seen_at=NOW - timedelta(days=chance.choice([0, -2, 100_000, chance.uniform(0, 400)])),
        )  # fmt: skip
    half_life = timedelta(days=30)
    rows = sql.fetch_rows(
        f"SELECT id, {SALIENCE} FROM memory_nodes", {"now": NOW, "half_life_s": half_life.total_seconds()}
    )
    assert len(rows) == 60
    for node in MemoryNode.objects.all():
        own = salience(
            node.importance, now=NOW, half_life=half_life, last_seen_at=node.last_seen_at,
            last_accessed_at=node.last_accessed_at, seen_count=node.seen_count, access_count=node.access_count,
        )  # fmt: skip
        assert dict(rows)[node.pk] == pytest.approx(own, rel=1e-9)


def test_what_faded_goes_and_is_told(ada: UUID) -> None:
    faint, strong = alone(ada, "It rained.", "Ann came.", at=NOW - 120 * DAY)
    MemoryNode.objects.filter(pk=strong).update(access_count=3)
    (recalled, young) = alone(ada, "It snowed.", "It hailed.", at=NOW - 119 * DAY)
    MemoryNode.objects.filter(pk=recalled).update(last_accessed_at=NOW)
    MemoryNode.objects.filter(pk=young).update(last_seen_at=NOW)
    assert care(ada).faded == 1
    assert forgotten() == [("faded below 0.05", [str(faint)])]
    assert care(ada).faded == 0


def test_no_floor_lets_nothing_fade(ada: UUID, budget: Any) -> None:
    budget(100, floor=0.0)
    alone(ada, "It rained.", at=NOW - 9999 * DAY)
    assert care(ada).faded == 0


def test_what_others_depend_on_stays(ada: UUID) -> None:
    long_ago = NOW - 400 * DAY
    evidence, weighty, of_a_fact, free = alone(ada, "It rained.", "Ann died.", "Bo moved.", "It snowed.", at=long_ago)
    MemoryNode.objects.filter(pk=weighty).update(importance=0.95)
    (insight,) = alone(ada, "It always rains.", kind="semantic")
    link_all()
    with transaction.atomic():
        graph.link([NewEdge(insight, evidence, "causal", 1.0), NewEdge(free, insight, "causal", 1.0)])
        facts.learn([NewFact(ada, "Bo", "lives in", "Rome", of_a_fact)], now=NOW)
    assert care(ada).faded == 1
    assert set(MemoryNode.objects.values_list("pk", flat=True)) == {evidence, weighty, of_a_fact, insight}
    MemoryNode.objects.filter(pk=insight).delete()
    MemoryFact.objects.all().delete()
    assert care(ada).faded == 2
    assert contents(ada) == ["Ann died."]


def test_above_the_budget_the_faintest_go(ada: UUID, budget: Any) -> None:
    budget(3)
    ids = alone(ada, *(f"Boat {n} leaks." for n in range(6)), at=NOW - 5 * DAY)
    for n, node_id in enumerate(ids):
        MemoryNode.objects.filter(pk=node_id).update(importance=0.3 + (n * 7 % 6) / 10)
    done = care(ada)
    assert (done.over_budget, done.kept_over_budget) == (3, 0)
    assert set(MemoryNode.objects.values_list("importance", flat=True)) == {0.6, 0.7, 0.8}
    ((reason, gone),) = forgotten()
    assert reason == "over the budget of 3" and len(gone) == 3


def test_an_episode_that_is_summed_up_goes_before_what_is_fainter(ada: UUID, budget: Any) -> None:
    """Even one that is young, when there is no room: it is summed up first."""
    ids = remember_all(ada, OUTING, at=NOW - DAY, importance=0.7)
    faint = alone(ada, "It rained.", "It snowed.", at=NOW - 3 * DAY, importance=0.1)
    budget(4)
    done = care(ada)
    assert (done.summaries, done.over_budget) == (1, 5)
    left = set(MemoryNode.objects.values_list("pk", flat=True))
    (summary,) = summaries(ada)
    assert left >= {summary.pk, *faint} and len(left & set(ids)) == 1
    assert parts(summary.pk) == left & set(ids)


def test_what_waits_to_be_summed_up_stays_even_above_the_budget(ada: UUID, budget: Any) -> None:
    budget(2)
    remember_all(ada, OUTING, at=NOW - timedelta(minutes=6))
    done = care(ada)
    assert (done.over_budget, done.kept_over_budget) == (0, 4), "the episode goes on"
    assert AgentUpkeep.objects.get().over_budget == state.standing().over_budget == 4
    assert care(ada, NOW + HOURLY).over_budget == 5


def test_a_summary_stays_while_something_is_left_of_its_episode(ada: UUID, budget: Any) -> None:
    ids = remember_all(ada, OUTING, at=NOW - 300 * DAY)
    MemoryNode.objects.filter(pk__in=ids[1:]).update(importance=0.2)
    MemoryNode.objects.filter(pk=ids[0]).update(importance=0.9)
    done = care(ada)
    assert (done.summaries, done.faded) == (1, 5)
    (summary,) = summaries(ada)
    MemoryNode.objects.filter(pk=summary.pk).update(importance=0.2)
    assert care(ada, NOW + DAY).faded == 0
    MemoryNode.objects.filter(pk=ids[0]).update(importance=0.2)
    assert [care(ada, NOW + DAY).faded for _ in range(3)] == [1, 1, 0], "what it stood for, and then the summary"


def test_many_go_in_steps(ada: UUID, budget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.upkeep.pruning.REMOVED", 4)
    budget(3)
    alone(ada, *(f"Boat {n} leaks." for n in range(17)))
    assert care(ada, NOW + 20 * HOURLY).over_budget == 14
    assert [len(gone) for _, gone in forgotten()] == [4, 4, 4, 2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_is_leant_on_at_this_moment_is_not_removed(settings: Any) -> None:
    (ada,) = make_agents(1)
    settings.MEMORY = {**settings.MEMORY, "budget": 1}
    one, other = alone(ada, "Boat 1 leaks.", "Boat 2 leaks.", at=NOW - DAY)
    link_all()
    with threads(1) as started, transaction.atomic():
        sql.execute("SELECT 1 FROM memory_nodes WHERE id = ANY(%s) FOR KEY SHARE", [[one, other]])
        assert started.start(care, ada).result(timeout=30).over_budget == 0
    assert care(ada).over_budget == 1

"""Facts and the time in which they held."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from domains.sql import NoTransaction
from memory import actions as vault
from memory.graph import facts
from memory.graph.errors import InvalidFact
from memory.graph.facts import NewFact
from memory.models import MemoryFact
from tests.integration.memory.graph.making import NOW, edges, make_agents, remember
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def agents() -> list[UUID]:
    return make_agents(2)


@pytest.fixture
def ada(agents: list[UUID]) -> UUID:
    return agents[0]


@pytest.fixture
def bo(agents: list[UUID]) -> UUID:
    return agents[1]


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def home(agent_id: UUID, value: str, begins: int | None = None, **fields: Any) -> NewFact:
    return NewFact(agent_id, "Ann", "lives in", value, valid_from=None if begins is None else day(begins), **fields)


def values(agent_id: UUID, at: int | None = None, **fields: Any) -> list[str]:
    return [fact.value for fact in facts.facts(agent_id, as_of=None if at is None else day(at), **fields)]


def test_a_newer_fact_closes_the_older_and_both_are_known_as_of_a_time(ada: UUID) -> None:
    facts.learn([home(ada, "Rome", 0)], now=NOW)
    facts.learn([home(ada, "Paris", 5)], now=NOW)
    assert values(ada, -1) == []
    assert values(ada, 0) == values(ada, 4) == ["Rome"]
    assert values(ada, 5) == values(ada, 500) == values(ada) == ["Paris"]
    assert [(f.value, f.valid_from, f.valid_to) for f in facts.history(ada)] == [
        ("Rome", day(0), day(5)), ("Paris", day(5), None),
    ]  # fmt: skip


def test_what_is_learned_late_goes_to_its_place(ada: UUID) -> None:
    facts.learn([home(ada, "Rome", 0), home(ada, "Paris", 9)], now=NOW)
    facts.learn([home(ada, "Oslo", 5)], now=NOW)
    assert [values(ada, at) for at in (0, 5, 9)] == [["Rome"], ["Oslo"], ["Paris"]]


def test_without_a_time_it_holds_from_now_on(ada: UUID) -> None:
    facts.learn([home(ada, "Rome")], now=day(3))
    assert values(ada, 2) == []
    assert values(ada, 3) == ["Rome"]


def test_the_same_again_is_the_same_fact(ada: UUID) -> None:
    (first,) = facts.learn([home(ada, "Rome", 0)], now=NOW)
    assert facts.learn([home(ada, "Rome", 3), home(ada, "Rome", 4)], now=NOW) == [first, first]
    assert MemoryFact.objects.count() == 1


def test_subjects_and_relations_are_the_same_in_any_case_and_spacing(ada: UUID) -> None:
    facts.learn([home(ada, "Rome", 0), NewFact(ada, " ANN ", "Lives  In", "Paris", valid_from=day(1))], now=NOW)
    assert values(ada, 1) == values(ada, 1, subject="ann") == values(ada, 1, relation="LIVES IN") == ["Paris"]
    assert values(ada, 1, subject="Bo") == []
    assert str(MemoryFact.objects.get(value="Paris")) == "ANN Lives  In Paris"


def test_other_subjects_relations_and_agents_are_left_alone(ada: UUID, bo: UUID) -> None:
    told = [home(ada, "Rome", 0), NewFact(ada, "Bo", "lives in", "Oslo"), NewFact(ada, "Ann", "likes", "tea")]
    facts.learn([*told, home(bo, "Bonn", 0)], now=NOW)
    facts.learn([home(ada, "Paris", 1)], now=NOW)
    assert values(ada, 1, relation="lives in") == ["Paris", "Oslo"]
    assert values(ada, 1, subject="Ann") == ["tea", "Paris"]
    assert values(bo, 1) == ["Bonn"]


def test_a_fact_may_have_its_own_end(ada: UUID) -> None:
    facts.learn([home(ada, "Rome", 0, valid_to=day(3))], now=NOW)
    facts.learn([home(ada, "Paris", 5)], now=NOW)
    assert [values(ada, at) for at in (2, 3, 5)] == [["Rome"], [], ["Paris"]]


def test_many_at_once_follow_each_other(ada: UUID) -> None:
    ids = facts.learn([home(ada, f"place {n}", n) for n in range(10)], now=NOW)
    assert len(set(ids)) == 10
    assert [values(ada, n) for n in range(10)] == [[f"place {n}"] for n in range(10)]
    assert MemoryFact.objects.filter(valid_to=None).count() == 1
    assert facts.learn([], now=NOW) == []


def test_memories_of_facts_that_contradict_are_tied(ada: UUID) -> None:
    a, b, c = remember(ada, "Ann lives in Rome.", "Ann lives in Paris.", "Ann likes tea.")
    facts.learn([home(ada, "Rome", 0, memory_id=a)], now=NOW)
    facts.learn([home(ada, "Paris", 5, memory_id=b), NewFact(ada, "Ann", "likes", "tea", c)], now=NOW)
    assert edges() == {(b, a, "contradicts"): 1.0}
    facts.learn([home(ada, "Oslo", 9)], now=NOW)
    assert len(edges()) == 1


def test_a_fact_outlives_its_memory(ada: UUID) -> None:
    (a,) = remember(ada, "Ann lives in Rome.")
    facts.learn([home(ada, "Rome", 0, memory_id=a)], now=NOW)
    vault.forget(ada, [a], by="tests", reason="tests")
    (fact,) = facts.facts(ada, as_of=NOW)
    assert (fact.value, fact.memory_id) == ("Rome", None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"subject": " "}, "subject: 1 to 200"),
        ({"subject": "x" * 201}, "subject: 1 to 200"),
        ({"relation": ""}, "relation: 1 to 100"),
        ({"value": ""}, "value: 1 to 2000"),
        ({"value": "a\0"}, "no NUL"),
        ({"value": "a\ud800"}, "no lone surrogates"),
        ({"subject": "ﷺ" * 100}, "subject: 1 to 200"),
        ({"valid_from": datetime(2026, 1, 1)}, "time zone"),
        ({"valid_to": datetime(2026, 1, 1)}, "time zone"),
        ({"valid_to": NOW}, "must be after"),
        ({"memory_id": uuid4()}, "has no memory"),
    ],
)
def test_facts_that_cannot_be_are_refused_and_none_is_written(ada: UUID, fields: dict[str, Any], says: str) -> None:
    bad = NewFact(**{"agent_id": ada, "subject": "Ann", "relation": "likes", "value": "tea", **fields})
    with pytest.raises(InvalidFact, match=says) as refusal:
        facts.learn([home(ada, "Rome", 0), bad], now=NOW)
    assert refusal.value.code == "invalid_fact"
    assert not MemoryFact.objects.exists()


def test_a_fact_is_from_a_memory_of_its_agent(ada: UUID, bo: UUID) -> None:
    (theirs,) = remember(bo, "Ann lives in Rome.")
    with pytest.raises(InvalidFact, match="has no memory"):
        facts.learn([home(ada, "Rome", memory_id=theirs)], now=NOW)


def test_learning_is_as_many_statements_for_many_as_for_few(agents: list[UUID], count_queries: Any) -> None:
    counts = []
    for size in (3, 40):
        ids = remember(agents[0], *[f"Fact {n} of {size}." for n in range(size)])
        told = [home(agents[0], f"{size}, {n}", size * 10 + n, memory_id=ids[n]) for n in range(size)]
        with count_queries() as statements:
            facts.learn([home(agents[1], f"{size}", size), *told], now=NOW)
        counts.append(len(statements))
        with count_queries() as statements:
            facts.facts(agents[0])
        assert len(statements) == 1
    assert counts[0] == counts[1] - 1 <= 9, "the second time there is one to close"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_learning_needs_a_transaction() -> None:
    with pytest.raises(NoTransaction):
        facts.learn([home(make_agents(1)[0], "Rome")], now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_several_who_learn_at_once_leave_one_fact_that_holds() -> None:
    (ada,) = make_agents(1)

    def learn(who: int) -> None:
        for n in range(10):
            with transaction.atomic():
                facts.learn([home(ada, f"{who}, {n}", (who * 7 + n * 3) % 20)], now=NOW)

    at_once(*[lambda who=who: learn(who) for who in range(6)])
    history = facts.history(ada)
    assert len(history) == 60
    assert sum(fact.valid_to is None for fact in history) == 1
    for number in range(25):
        assert len(values(ada, number)) == 1, "from the first on, one at a time"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("valid_to = NULL", "memory_fact_one_open"),
        ("valid_to = valid_from - interval '1 second'", "memory_fact_ends_after_it_begins"),
        ("value = ''", "memory_fact_given"),
        ("subject_key = ''", "memory_fact_given"),
        ("relation_key = ''", "memory_fact_given"),
    ],
)
def test_the_database_refuses_facts_that_cannot_be(ada: UUID, change: str, constraint: str) -> None:
    facts.learn([home(ada, "Rome", 0), home(ada, "Paris", 5)], now=NOW)
    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE memory_facts SET {change}")
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


def test_as_many_facts_are_told_as_are_wanted(ada: UUID) -> None:
    with transaction.atomic():
        facts.learn([NewFact(ada, f"Ann {n}", "lives in", "Paris") for n in range(4)], now=NOW)
    assert [fact.subject for fact in facts.facts(ada, limit=2)] == ["Ann 0", "Ann 1"]
    assert facts.facts(ada, limit=0) == facts.facts(ada, limit=-1) == []
    assert len(facts.facts(ada, limit=10_000)) == 4

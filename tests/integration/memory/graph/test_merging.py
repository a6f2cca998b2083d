"""What hung on memories that go hangs on the one that stays."""

from uuid import UUID, uuid4

import pytest
from django.db import transaction

from domains.sql import NoTransaction
from memory import actions as vault
from memory.graph import actions, facts, merging, queries
from memory.graph.actions import NewEdge
from memory.graph.errors import InvalidEdge
from memory.graph.facts import NewFact
from memory.graph.names import Name
from tests.integration.memory.graph.making import NOW, edges, make_agents, remember

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> UUID:
    return make_agents(1)[0]


def test_ties_mentions_and_facts_move(ada: UUID) -> None:
    kept, double, another, other = remember(ada, "It rained.", "It rained, it did.", "So it rained.", "It snowed.")
    actions.link([
        NewEdge(kept, other, "causal", 0.3), NewEdge(double, other, "causal", 0.6), NewEdge(other, another, "temporal"),
        NewEdge(kept, double, "temporal"), NewEdge(double, another, "causal"),
    ])  # fmt: skip
    actions.name({kept: [Name("Ann")], double: [Name("Ann"), Name("Bo")], another: [Name("Bo")]})
    facts.learn([NewFact(ada, "Ann", "likes", "rain", double)], now=NOW)
    assert merging.take_over({double: kept, another: kept}) == 2
    vault.forget(ada, [double, another], by="tests", reason="tests")
    assert edges() == {(kept, other, "causal"): 0.6, (other, kept, "temporal"): 0.5}
    assert {(e.name, e.memories) for e in queries.entities(ada)} == {("Ann", 1), ("Bo", 1)}
    assert facts.history(ada)[0].memory_id == kept


def test_what_cannot_merge_is_refused_and_nothing_moves(ada: UUID) -> None:
    one, other, third = remember(ada, "It rained.", "It snowed.", "It hailed.")
    (theirs,) = remember(make_agents(1, name="Another")[0], "It rained.")
    actions.link([NewEdge(one, third, "causal")])
    for into in ({one: theirs}, {one: uuid4()}, {uuid4(): one}, {one: other, other: third}, {one: one}):
        with pytest.raises(InvalidEdge, match="cannot go into"):
            merging.take_over(into)
    assert merging.take_over({}) == 0
    assert set(edges()) == {(one, third, "causal")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_merging_needs_the_transaction_in_which_the_others_go() -> None:
    a, b = remember(make_agents(1)[0], "It rained.", "It snowed.")
    with pytest.raises(NoTransaction):
        merging.take_over({a: b})
    with transaction.atomic():
        assert merging.take_over({a: b}) == 0

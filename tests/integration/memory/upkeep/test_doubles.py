"""Near-equal memories become one, and nothing of what they had is lost."""

from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from domains import sql
from memory.graph import actions as graph
from memory.graph import facts
from memory.graph.actions import NewEdge
from memory.graph.facts import NewFact
from memory.graph.names import Name
from memory.models import MemoryForm, MemoryNode
from memory.upkeep import doubles
from tests.integration.memory.graph.making import NOW, edges, link_all, make_agents, one_number
from tests.integration.memory.upkeep.living import DAY, care, contents, forgotten, remember_all
from tests.tables import commits
from tests.threads import threads, wait_for_lock

__all__ = ["commits"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> UUID:
    return make_agents(1)[0]


def test_near_equal_memories_become_one_that_has_all_of_both(ada: UUID) -> None:
    (late,) = remember_all(
        ada, ["The bridge is not shut."], at=NOW, importance=0.4, valence=0.2, tags=("town",), source={"tick": 9}
    )
    remember_all(ada, ["The bridge is not shut."], at=NOW + DAY, source={"tick": 12})
    (early,) = remember_all(
        ada, ["Bridge isn't shut!"], at=NOW - DAY, importance=0.8, valence=-0.6, tags=("road", "town"),
        source={"tick": 3}, summary="Open.",
    )  # fmt: skip
    (other,) = remember_all(ada, ["The bridge is shut."], at=NOW)
    MemoryNode.objects.filter(pk=early).update(access_count=3, last_accessed_at=NOW)
    done = care(ada)
    assert (done.compared, done.merged) == (3, 1)
    node = MemoryNode.objects.get(pk=late)
    assert (node.content, node.seen_count) == ("The bridge is not shut.", 3)
    assert (node.inserted_at, node.last_seen_at) == (NOW - DAY, NOW + DAY)
    assert (node.importance, node.valence, node.summary) == (0.8, -0.6, "Open.")
    assert (node.access_count, node.last_accessed_at) == (3, NOW)
    assert node.tags == ["town", "road"]
    assert node.all_sources == [{"tick": 3}, {"tick": 9}, {"tick": 12}]
    assert set(MemoryNode.objects.values_list("pk", flat=True)) == {late, other}
    assert forgotten() == [(f"near_duplicate of {late}", [str(early)])]
    assert MemoryForm.objects.count() == 2, "the form of what is gone goes with it"


def test_ties_names_and_facts_are_taken_over(ada: UUID) -> None:
    kept, gone = remember_all(ada, ["Ann sold the old boat.", "Ann sold an old boat."])
    (other,) = remember_all(ada, ["Bo bought a house."])
    link_all()
    graph.link([NewEdge(gone, other, "causal", 0.9)])
    graph.name({gone: [Name("Zoe")]})
    facts.learn([NewFact(ada, "Ann", "sold", "boat", gone)], now=NOW)
    assert care(ada).merged == 1
    assert edges()[kept, other, "causal"] == 0.9
    assert facts.history(ada)[0].memory_id == kept
    query = "SELECT count(*) FROM memory_mentions m JOIN memory_entities e ON e.id = m.entity_id WHERE m.memory_id = %s"
    assert one_number(query + " AND e.name = 'Zoe'", kept) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann has 3 apples.", "Ann has 4 apples."), ("The bridge is shut.", "The bridge is not shut."),
     ("Ann met Bo.", "Ann met Cy."), ("Ann met Bo.", "Bo met Ann.")],
)  # fmt: skip
def test_what_only_looks_alike_stays(ada: UUID, one: str, other: str) -> None:
    remember_all(ada, [one, other])
    assert care(ada).merged == 0
    assert contents(ada) == [one, other]


def test_other_agents_kinds_and_ends_are_other_memories(ada: UUID) -> None:
    (bo,) = make_agents(1, name="Another")
    remember_all(ada, ["The bridge is shut."])
    remember_all(bo, ["Bridge is shut"])
    remember_all(ada, ["Bridge is shut!"], kind="semantic")
    remember_all(ada, ["A bridge is shut."], valid_to=NOW + DAY)
    assert care(ada).merged == care(bo).merged == 0


def test_vectors_are_not_asked(ada: UUID) -> None:
    """Capital letters turn them further than a "not" does."""
    one, other = remember_all(ada, ["The bridge is shut.", "A bridge is shut."])
    turned = [-value for value in MemoryNode.objects.get(pk=one).embedding]
    MemoryNode.objects.filter(pk=other).update(embedding=turned)
    (waiting,) = remember_all(ada, ["Wow, the bridge is really shut!"])
    MemoryNode.objects.filter(pk=waiting).update(embedder="", embedding=None)
    assert care(ada).merged == 2


def test_older_doubles_without_a_hash_go_into_the_one_that_has_it(ada: UUID) -> None:
    double, kept = remember_all(ada, ["It rained...", "It rained and rained."])
    MemoryNode.objects.filter(pk=double).update(content_hash=None, content="It rained and rained.", seen_count=9)
    wordless, another = remember_all(ada, ["!?", "!!"])
    MemoryNode.objects.filter(pk=another).update(embedder="refused:local")
    MemoryNode.objects.filter(pk=another).update(content_hash=None, content="!?", embedding=None)
    assert care(ada).merged == 2
    assert set(MemoryNode.objects.values_list("pk", flat=True)) == {kept, wordless}
    assert MemoryNode.objects.get(pk=kept).seen_count == 10
    remember_all(ada, ["It rained and rained."])
    assert MemoryNode.objects.get(pk=kept).seen_count == 11


def test_many_alike_become_one_and_comparing_again_finds_nothing(ada: UUID) -> None:
    told = "{}boat of {}keeper lay at {}harbour of {}island beneath {}old lighthouse."
    remember_all(ada, [told.format(*each) for each in product(("", "the "), repeat=5)])
    done = care(ada)
    assert (done.compared, done.merged) == (32, 31)
    assert MemoryNode.objects.get().seen_count == 32
    MemoryForm.objects.update(form=None)
    assert care(ada).merged == 0


def test_many_cost_as_many_statements_as_few(ada: UUID, count_queries: Any) -> None:
    counts = []
    for many in (2, 150):
        for n in range(many):
            remember_all(ada, [f"Boat {many} {n} leaks.", f"The boat {many} {n} leaks!"])
        link_all()
        with count_queries() as statements, transaction.atomic():
            assert doubles.merge_new(ada).merged == many
        counts.append(len(statements))
    # Each that stays has an event, and those are written together.
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_somebody_holds_is_left_for_the_next_time() -> None:
    (ada,) = make_agents(1)
    _, other = remember_all(ada, ["The bridge is shut.", "A bridge is shut."])
    link_all()
    with threads(1) as started, transaction.atomic():
        sql.execute("SELECT 1 FROM memory_nodes WHERE id = %s FOR NO KEY UPDATE", [other])
        assert started.start(care, ada).result(timeout=30).merged == 0
    assert care(ada).merged == 1
    assert len(forgotten()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_who_stores_into_one_that_is_merged_away_stores_it_anew() -> None:
    """It waits for that one transaction, and loses nothing."""
    (ada,) = make_agents(1)
    remember_all(ada, ["The bridge is shut.", "A bridge is shut."])
    link_all()
    with threads(1) as started:
        with transaction.atomic():
            assert doubles.merge_new(ada).merged == 1
            storing = started.start(remember_all, ada, ["A bridge is shut."])
            wait_for_lock()
        storing.result(timeout=30)
    assert sorted(contents(ada)) == ["A bridge is shut.", "The bridge is shut."]
    assert care(ada, now=NOW + timedelta(hours=1)).merged == 1
    assert MemoryNode.objects.get().seen_count == 3

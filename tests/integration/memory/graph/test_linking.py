"""Linking: who and what is named, and which memories are tied together for it."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from domains import sql
from domains.sql import NoTransaction
from memory import actions as vault
from memory.actions import NewMemory
from memory.graph import actions, queries, rules
from memory.graph.actions import Linked, NewEdge
from memory.graph.errors import InvalidEdge, InvalidName
from memory.graph.names import PERSON, PLACE, Name
from memory.models import MemoryEdge, MemoryEntity, MemoryMention, MemoryNode, UnlinkedMemory
from tests.integration.memory.graph.making import (
    NOW,
    edges,
    link_all,
    make_agents,
    one_number,
    pairs,
    remember,
    tie,
)
from tests.threads import at_once, threads

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


def named(agent_id: UUID) -> dict[str, int]:
    return {entity.name: entity.memories for entity in queries.entities(agent_id)}


# --- Word of new memories ------------------------------------------------------------------------------------


def test_every_new_memory_waits_to_be_linked_whoever_stores_it(ada: UUID) -> None:
    first, *_ = remember(ada, "It rained.", "It snowed.")
    node = MemoryNode.objects.create(agent_id=ada, content="Made otherwise.")
    assert UnlinkedMemory.objects.count() == 3
    assert UnlinkedMemory.objects.filter(pk__in=[first, node.pk]).count() == 2
    assert link_all() == 3
    assert not UnlinkedMemory.objects.exists()
    assert actions.link_new() == Linked()


def test_what_merges_into_another_does_not_wait_again(ada: UUID) -> None:
    remember(ada, "It rained.")
    link_all()
    remember(ada, "It rained.")
    assert not UnlinkedMemory.objects.exists()


def test_a_step_takes_the_oldest_and_no_more_than_it_shall(ada: UUID) -> None:
    ids = remember(ada, *[f"It rained for {n} days." for n in range(5)])
    assert actions.link_new(3).memories == 3
    assert set(UnlinkedMemory.objects.values_list("pk", flat=True)) == set(ids[3:])


def test_what_was_forgotten_meanwhile_is_passed_over(ada: UUID) -> None:
    first, second = remember(ada, "Then Ann came.", "Then Ann left.")
    vault.forget(ada, [first], by="tests", reason="tests")
    assert actions.link_new().memories == 1
    assert named(ada) == {"Ann": 1}
    assert edges() == {}
    vault.forget(ada, [second], by="tests", reason="tests")
    assert named(ada) == {"Ann": 0}
    assert not MemoryMention.objects.exists()


# --- Names ---------------------------------------------------------------------------------------------------


def test_memories_are_tied_to_whom_they_name(ada: UUID) -> None:
    ids = remember(ada, "Caroline: Hey Mel!", "Melanie: Hi Caroline, I am in Rome.", "It rained.")
    link_all()
    found = {entity.name: entity for entity in queries.entities(ada)}
    assert {name: (e.kind, e.aliases, e.memories) for name, e in found.items()} == {
        "Caroline": (PERSON, ["caroline"], 2),
        "Melanie": (PERSON, ["mel", "melanie"], 2),
        "Rome": (PLACE, ["rome"], 1),
    }
    assert [node.id for node in queries.memories_of(found["Melanie"].id)] == [ids[1], ids[0]]


def test_a_name_that_was_learned_later_is_found_at_the_beginning_of_a_sentence_from_then_on(ada: UUID) -> None:
    remember(ada, "Harbour was full.")
    link_all()
    assert named(ada) == {}
    remember(ada, "We liked Harbour.")
    link_all()
    remember(ada, "Harbour was empty.")
    link_all()
    assert named(ada) == {"Harbour": 2}


def test_the_world_may_say_which_names_are_names(ada: UUID, bo: UUID) -> None:
    remember(ada, "Will came. Spring was full.")
    remember(bo, "Will came. Spring was full.")
    asked: list[list[UUID]] = []

    def known(agent_ids: Any) -> Any:
        asked.append(sorted(agent_ids))
        return {ada: {"Will": "person", "Spring": "place"}}

    link_all(known=known)
    assert asked == [sorted([ada, bo])]
    assert {(e.name, e.kind) for e in queries.entities(ada)} == {("Will", PERSON), ("Spring", PLACE)}
    assert queries.entities(bo) == []


def test_names_that_agents_share_are_gone_through_once(ada: UUID, bo: UUID) -> None:
    class Names(dict[str, str]):
        read = 0

        def items(self) -> Any:
            Names.read += 1
            return super().items()

    for agent_id in (ada, bo):
        remember(agent_id, "Will came.")
    shared = Names({"Will": "person"})
    link_all(known=lambda agent_ids: dict.fromkeys(agent_ids, shared))
    assert Names.read == 1
    assert [len(queries.entities(agent_id)) for agent_id in (ada, bo)] == [1, 1]


def test_agents_have_entities_of_their_own(ada: UUID, bo: UUID) -> None:
    remember(ada, "Then Ann came.")
    remember(bo, "Then Ann came.")
    link_all()
    ((mine,), (theirs,)) = queries.entities(ada), queries.entities(bo)
    assert mine.id != theirs.id
    assert MemoryNode.objects.get(pk=queries.memories_of(mine.id)[0].id).agent_id == ada
    assert (mine.memories, theirs.memories) == (1, 1)


def test_a_caller_may_name_what_the_text_does_not(ada: UUID) -> None:
    first, second = remember(ada, "She came.", "Then Ann left.")
    link_all()
    with transaction.atomic():
        assert actions.name({first: [Name("Ann", PERSON), Name("the old mill", PLACE)]}) == 2
        assert actions.name({first: [Name("ANN")]}) == 0
    link_all()
    assert named(ada) == {"Ann": 2, "the old mill": 1}
    assert pairs("associative") == {(first, second)}


@pytest.mark.parametrize("text", ["", "x", "!!", "x" * 101])
def test_names_that_are_none_are_refused(ada: UUID, text: str) -> None:
    (first,) = remember(ada, "She came.")
    with pytest.raises(InvalidName) as refusal:
        actions.name({first: [Name(text)]})
    assert refusal.value.code == "invalid_name"
    with pytest.raises(InvalidName, match="there is no memory"):
        actions.name({uuid4(): [Name("Ann")]})
    assert actions.name({}) == 0


def test_linking_again_adds_nothing_twice(ada: UUID) -> None:
    ids = remember(ada, "Then Ann came.", "Then Ann left.", "Then Ann and Bo came.")
    link_all()
    before = edges(), named(ada)
    actions.link_again(ids)
    actions.link_again([])
    assert link_all() == 3
    assert (edges(), named(ada)) == before


# --- Ties ----------------------------------------------------------------------------------------------------


def test_what_follows_is_tied_to_what_came_before_within_one_agent(ada: UUID, bo: UUID) -> None:
    a1, b1, a2, b2, a3 = (
        remember(agent, f"It rained for {n} days.")[0] for n, agent in enumerate([ada, bo, ada, bo, ada])
    )
    link_all(limit=2)
    assert pairs("temporal") == {(a1, a2), (a2, a3), (b1, b2)}
    assert set(edges().values()) == {rules.STRENGTH_NEXT}


def test_what_was_formed_together_is_tied_together(ada: UUID) -> None:
    texts = [f"It rained for {n} days." for n in range(3)]
    one = vault.store_many([NewMemory(ada, text, source={"tick": 1}) for text in texts])
    vault.store_many([NewMemory(ada, "Later it snowed.", source={"tick": 2})])
    vault.store_many([NewMemory(ada, text + " And more.") for text in texts])
    link_all()
    ordered = sorted(i for i in one if i)
    assert pairs("associative") == {(ordered[0], ordered[1]), (ordered[0], ordered[2]), (ordered[1], ordered[2])}


def test_what_names_the_same_is_tied_and_rare_names_tie_more(ada: UUID) -> None:
    texts = [
        "Then Cy came.",
        "It rained.",
        "Then Ann came.",
        "It snowed.",
        "Then Ann left.",
        "It hailed.",
        "Then Cy left.",
    ]
    texts += [f"Then Ann sang {n} songs." for n in range(12)]
    ids = remember(ada, *texts)
    link_all()
    found = edges()
    assert found[ids[0], ids[6], "associative"] > found[ids[2], ids[4], "associative"]
    assert (ids[2], ids[6]) not in pairs("associative")
    degree = Counter(target for _, target, its in found if its == "associative")
    assert max(degree.values()) <= rules.MOST_SHARED


def test_what_everything_names_ties_nothing(ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_NAMING", 3)
    remember(ada, *[f"Then Ann sang {n} songs." for n in range(4)])
    link_all()
    assert pairs("associative") == set()


def test_a_memory_has_no_more_ties_than_it_may(ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_EDGES", 4)
    middle, *others = remember(ada, *[f"It rained for {n} days." for n in range(9)])
    wanted = [NewEdge(other, middle, "conceptual", 0.1 * n) for n, other in enumerate(others, start=1)]
    with transaction.atomic():
        actions.link(wanted[:4])
        actions.link([NewEdge(middle, others[0], "causal", 0.01)])
        actions.link(wanted[4:])
    left = {(s, t): strength for (s, t, _), strength in edges().items()}
    assert left == {
        (middle, others[0]): 0.01,  # it was told, and does not fade
        (others[7], middle): pytest.approx(0.8),
        (others[6], middle): pytest.approx(0.7),
        (others[5], middle): pytest.approx(0.6),
    }


def test_linking_many_holds_to_the_most(ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_EDGES", 5)
    names = ["Ann", "Ben", "Cem", "Dan"]
    texts = [f"Then {names[n % 4]} met {names[n % 3]} for the {n}. time." for n in range(60)]
    vault.store_many([NewMemory(ada, text, source={"tick": n // 5}) for n, text in enumerate(texts)])
    link_all(limit=7)
    degree = Counter(end for source, target, _ in edges() for end in (source, target))
    assert len(degree) == 60
    assert max(degree.values()) <= 5


def test_told_ties_keep_the_stronger_and_come_once(ada: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    with transaction.atomic():
        assert actions.link([NewEdge(a, b, "causal", 0.3), NewEdge(a, b, "causal", 0.6)]) == 1
        assert actions.link([NewEdge(a, b, "causal", 0.5)]) == 0
        assert actions.link([NewEdge(a, b, "causal", 0.9)]) == 1
        assert actions.link([]) == 0
    assert edges() == {(a, b, "causal"): 0.9}


def test_ties_that_cannot_be_are_refused_and_none_is_made(ada: UUID, bo: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    (theirs,) = remember(bo, "It hailed.")
    good = NewEdge(a, b, "causal")
    for bad, says in (
        (NewEdge(a, a, "causal"), "no tie to itself"),
        (NewEdge(a, theirs, "causal"), "same agent's"),
        (NewEdge(a, uuid4(), "causal"), "there is no memory"),
        (NewEdge(a, b, "imagined"), "relation: one of"),
        (NewEdge(a, b, "causal", 1.01), "strength is 0 to 1"),
        (NewEdge(a, b, "causal", float("nan")), "strength is 0 to 1"),
    ):
        with pytest.raises(InvalidEdge, match=says) as refusal:
            actions.link([good, bad])
        assert refusal.value.code == "invalid_edge"
    assert edges() == {}


# --- Strength ------------------------------------------------------------------------------------------------


def test_what_is_recalled_together_is_tied_more_strongly(ada: UUID) -> None:
    a, b, c = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie((a, b, 0.5), (b, c, 0.5), at=NOW)
    assert actions.recalled_together([a, b], now=NOW) == 1
    assert edges() == {(a, b, "conceptual"): pytest.approx(0.55), (b, c, "conceptual"): 0.5}
    assert actions.recalled_together([a], now=NOW) == 0
    for _ in range(200):
        actions.recalled_together([c, b, a], now=NOW)
    assert all(0.99 < strength <= 1 for strength in edges().values())


def test_ties_fade_by_half_in_a_half_life_and_go_below_the_floor(ada: UUID) -> None:
    a, b, c = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie((a, b, 0.8), (b, c, rules.FLOOR * 1.5))
    tie((a, c, 0.8), relation="causal")
    later = NOW + rules.HALF_LIFE
    assert actions.fade(later) == actions.Faded(faded=1, removed=1)
    assert edges() == {(a, b, "conceptual"): pytest.approx(0.4), (a, c, "causal"): 0.8}
    assert actions.fade(later) == actions.Faded()
    assert actions.fade(later + rules.FADE_EVERY / 2) == actions.Faded()
    (told,) = sql.fetch("SELECT topic, payload FROM events WHERE topic = 'memory.edges_faded'")
    assert (told["payload"]["removed"], told["payload"]["faded"]) == (1, 1)


def test_fading_in_steps_is_fading_at_once(ada: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    tie((a, b, 1.0))
    for days in range(1, 31):
        actions.fade(NOW + timedelta(days=days))
    assert edges() == {(a, b, "conceptual"): pytest.approx(0.5)}


def test_recalling_counts_from_what_was_left(ada: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    tie((a, b, 0.8))
    actions.recalled_together([a, b], now=NOW + rules.HALF_LIFE)
    assert edges() == {(a, b, "conceptual"): pytest.approx(0.4 + 0.6 * rules.GAIN)}


def test_a_clock_that_went_back_strengthens_nothing(ada: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    tie((a, b, 0.8))
    actions.recalled_together([a, b], now=NOW - timedelta(days=100))
    assert edges() == {(a, b, "conceptual"): pytest.approx(0.82)}


def test_a_step_of_fading_takes_those_left_alone_for_longest(ada: UUID) -> None:
    a, b, c, d = remember(ada, "It rained.", "It snowed.", "It hailed.", "It blew.")
    tie((a, b), at=NOW)
    tie((b, c), at=NOW - timedelta(days=9))
    tie((c, d), at=NOW - timedelta(days=5))
    assert actions.fade(NOW + timedelta(days=2), limit=2).faded == 2
    assert {pair for pair, strength in edges().items() if strength < 0.5} == {
        (b, c, "conceptual"),
        (c, d, "conceptual"),
    }
    assert one_number("SELECT count(*) FROM events WHERE topic = 'memory.edges_faded'") == 0


def test_fading_finds_what_is_due_by_its_index(ada: UUID) -> None:
    params = {"every": rules.FADE_EVERY, "limit": 10, "floor": rules.FLOOR, **actions._fading(NOW)}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = "\n".join(row[0] for row in sql.fetch_rows("EXPLAIN " + actions.FADE, params))
    assert "memory_edges_fading" in plan


# --- Statements ----------------------------------------------------------------------------------------------


def test_linking_is_as_many_statements_for_many_as_for_few(agents: list[UUID], count_queries: Any) -> None:
    counts = []
    for size in (4, 60):
        texts = [f"Then Ann{size} met Bo{n} in Zone{n % 7}town with Cy." for n in range(size)]
        vault.store_many([NewMemory(agents[n % 2], text, source={"tick": n // 2}) for n, text in enumerate(texts)])
        with count_queries() as statements:
            assert actions.link_new().memories == size
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 13


def test_strengthening_and_fading_are_one_statement(ada: UUID, count_queries: Any) -> None:
    ids = remember(ada, *[f"It rained for {n} days." for n in range(20)])
    tie(*pairwise(ids))
    for call in (lambda: actions.recalled_together(ids, now=NOW), lambda: actions.fade(NOW + timedelta(days=2))):
        with count_queries() as statements:
            call()
        assert len(statements) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_belongs_to_a_change_needs_its_transaction() -> None:
    a, b = remember(make_agents(1)[0], "It rained.", "It snowed.")
    with pytest.raises(NoTransaction):
        actions.link([NewEdge(a, b, "causal")])
    with pytest.raises(NoTransaction):
        actions.name({a: [Name("Ann")]})


# --- Several at once -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_several_processes_link_every_memory_once() -> None:
    agent_ids = make_agents(3)
    texts = [f"Then Ann met Bo{n % 9} in Rome for the {n}. time." for n in range(120)]
    with transaction.atomic():
        vault.store_many([NewMemory(agent_ids[n % 3], text) for n, text in enumerate(texts)])
    linked = at_once(*[lambda: link_all(limit=11)] * 4)
    assert sum(linked) == 120
    assert not UnlinkedMemory.objects.exists()
    for agent_id in agent_ids:
        assert {name: count for name, count in named(agent_id).items() if name in ("Ann", "Rome")} == {
            "Ann": 40,
            "Rome": 40,
        }
    assert len(pairs("temporal")) == 3 * 39
    degree = Counter(end for source, target, _ in edges() for end in (source, target))
    assert max(degree.values()) <= rules.MOST_EDGES


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_linking_and_forgetting_at_once_leave_no_loose_ends() -> None:
    (ada,) = make_agents(1)
    for attempt in range(5):
        texts = [f"Then Ann sang {n} songs, again ({attempt})." for n in range(30)]
        with transaction.atomic():
            ids = [i for i in vault.store_many([NewMemory(ada, text) for text in texts]) if i]

        def forget(gone: list[UUID] = ids[::3]) -> None:
            with transaction.atomic():
                vault.forget(ada, gone, by="tests", reason="tests")

        at_once(lambda: link_all(limit=10), forget, lambda: link_all(limit=10))
        link_all()
    assert not UnlinkedMemory.objects.exists()
    assert MemoryNode.objects.count() == 5 * 20
    assert named(ada) == {"Ann": 100}
    assert MemoryEdge.objects.count() > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_fading_and_strengthening_wait_for_nobody() -> None:
    (ada,) = make_agents(1)
    ids = remember(ada, *[f"It rained for {n} days." for n in range(4)])
    tie(*pairwise(ids))
    later = NOW + timedelta(days=2)
    with threads(1) as started, transaction.atomic():
        sql.execute("SELECT 1 FROM memory_edges WHERE source_id = %s FOR UPDATE", [ids[0]])
        assert started.start(actions.fade, later).result(timeout=20) == actions.Faded(faded=2)
        strengthened = started.start(lambda: actions.recalled_together(ids, now=later))
        assert strengthened.result(timeout=20) == 2


# --- The tables ----------------------------------------------------------------------------------------------


def test_the_database_refuses_a_second_meaning_of_a_name(ada: UUID, bo: UUID) -> None:
    one, other = (MemoryEntity.objects.create(agent_id=ada, name="Ann") for _ in range(2))
    one.aliases.create(agent_id=ada, alias="ann")
    MemoryEntity.objects.create(agent_id=bo, name="Ann").aliases.create(agent_id=bo, alias="ann")
    with pytest.raises(IntegrityError), transaction.atomic():
        other.aliases.create(agent_id=ada, alias="ann")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [("name = ''", "memory_entity_name_given"), ("kind = 'idea'", "memory_entity_kind_known")],
)
def test_the_database_refuses_entities_that_cannot_be(ada: UUID, change: str, constraint: str) -> None:
    entity = MemoryEntity.objects.create(agent_id=ada, name="Ann")
    assert str(entity) == "Ann"
    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE memory_entities SET {change}")
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


def test_what_hangs_on_a_row_goes_with_it_in_the_database(ada: UUID) -> None:
    remember(ada, "Then Ann came.")
    link_all()
    mention = MemoryMention.objects.get()
    assert str(mention) == f"{mention.memory_id} names {mention.entity_id}"
    sql.execute("DELETE FROM memory_entities")
    assert one_number("SELECT count(*) FROM memory_mentions") == 0
    assert one_number("SELECT count(*) FROM memory_entity_aliases") == 0

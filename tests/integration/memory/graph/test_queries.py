"""Walks, ways and neighbours are what a slow and simple reckoning says, and one agent's only."""

from collections import defaultdict
from itertools import pairwise
from math import prod
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from domains import sql
from memory.graph import actions, queries
from memory.graph.names import Name
from tests.conftest import CountQueries
from tests.integration.memory.graph.making import link_all, make_agents, remember, tie

pytestmark = pytest.mark.django_db

Ties = dict[UUID, dict[UUID, float]]


@pytest.fixture
def agents() -> list[UUID]:
    return make_agents(2)


@pytest.fixture
def ada(agents: list[UUID]) -> UUID:
    return agents[0]


@pytest.fixture
def bo(agents: list[UUID]) -> UUID:
    return agents[1]


def random_graph(agent_id: UUID, size: int, count: int, seed: int) -> tuple[list[UUID], Ties]:
    """Memories, and the ties between them by either end."""
    chance = Random(seed)
    ids = remember(agent_id, *[f"It rained for {n} days." for n in range(size)])
    chosen = {(a, b) for a, b in (chance.sample(ids, 2) for _ in range(count)) if a < b}
    ties: Ties = defaultdict(dict)
    for place, (a, b) in enumerate(sorted(chosen)):
        ties[a][b] = ties[b][a] = round(0.05 + place * 0.9 / len(chosen), 6)
    tie(*[(a, b, ties[a][b]) for a, b in sorted(chosen)])
    return ids, ties


def depths(ties: Ties, start: UUID, deepest: int) -> dict[UUID, int]:
    found, ring = {start: 0}, [start]
    for depth in range(1, deepest + 1):
        ring = sorted({other for one in ring for other in ties[one]} - found.keys())
        found |= dict.fromkeys(ring, depth)
    return found


def simple_paths(ties: Ties, a: UUID, b: UUID, longest: int) -> list[list[UUID]]:
    """The shortest."""
    paths = [[a]]
    for _ in range(longest):
        paths = [[*path, other] for path in paths for other in ties[path[-1]] if other not in path]
        if found := [path for path in paths if path[-1] == b]:
            return found
    return []


# --- Graphs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_graph_has_all_within_its_depth(ada: UUID, seed: int) -> None:
    ids, ties = random_graph(ada, 40, 60, seed)
    for start in ids[:10]:
        for depth in (0, 1, 2, 4):
            found = queries.graph(start, depth)
            expected = depths(ties, start, depth)
            assert {node.id: node.depth for node in found.nodes} == expected
            assert found.nodes[0].id == start
            among = {(a, b) for a in expected for b in ties[a] if a < b and b in expected}
            assert {(edge.source_id, edge.target_id) for edge in found.edges} == among
            strengths = [edge.strength for edge in found.edges]
            assert strengths == sorted(strengths, reverse=True)


def test_a_graph_is_bounded_and_takes_the_strongest(ada: UUID) -> None:
    middle, *others = remember(ada, *[f"It rained for {n} days." for n in range(12)])
    tie(*[(middle, other, 0.05 * n) for n, other in enumerate(others, start=1)])
    found = queries.graph(middle, 6, most=5)
    assert {node.id for node in found.nodes} == {middle, *others[-4:]}
    assert [node.id for node in queries.graph(middle, 6, most=1).nodes] == [middle]
    assert len(queries.graph(middle, 6, most=-1).nodes) == 1


def test_a_graph_tells_what_its_memories_are(ada: UUID) -> None:
    (first,) = remember(ada, "It rained.", kind="semantic", importance=0.9)
    (node,) = queries.graph(first).nodes
    assert (node.id, node.depth, node.content, node.kind, node.importance) == (first, 0, "It rained.", "semantic", 0.9)
    assert queries.graph(first, 99) == queries.graph(first, -1) == queries.graph(first)
    assert queries.graph(uuid4()) == queries.Graph([], [])


def test_two_ties_between_two_memories_are_both_told_and_walked_once(ada: UUID) -> None:
    a, b = remember(ada, "It rained.", "It snowed.")
    tie((a, b, 0.3))
    tie((b, a, 0.6), relation="causal")
    found = queries.graph(a, 3)
    assert [node.id for node in found.nodes] == [a, b]
    assert [edge.relation for edge in found.edges] == ["causal", "conceptual"]


# --- Ways ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ways_are_the_shortest_and_the_strongest_of_them(ada: UUID, seed: int) -> None:
    ids, ties = random_graph(ada, 30, 90, seed)
    chance = Random(seed)
    lengths = set()
    for _ in range(40):
        a, b = chance.sample(ids, 2)
        expected = {
            tuple(path): prod(ties[one][other] for one, other in pairwise(path))
            for path in simple_paths(ties, a, b, queries.LONGEST_WAY)
        }
        found = queries.paths(a, b, 20)
        assert bool(found) == bool(expected)
        assert {tuple(path.ids) for path in found} <= expected.keys()
        strengths = [path.strength for path in found]
        assert strengths == pytest.approx([expected[tuple(path.ids)] for path in found])
        assert strengths == sorted(strengths, reverse=True)
        if len(expected) <= 4:
            assert len(found) == len(expected)
        lengths |= {len(path.ids) - 1 for path in found}
    assert {1, 2, 3, 4} <= lengths


def test_a_long_way_is_found_to_its_limit_and_not_beyond(ada: UUID) -> None:
    ids = remember(ada, *[f"It rained for {n} days." for n in range(9)])
    tie(*pairwise(ids))
    for length in range(1, 7):
        assert [path.ids for path in queries.paths(ids[0], ids[length])] == [ids[: length + 1]]
        assert [path.ids for path in queries.paths(ids[length], ids[0])] == [ids[length::-1]]
    assert queries.paths(ids[0], ids[7]) == []


def test_no_more_ways_than_asked_for(ada: UUID) -> None:
    a, b, *others = remember(ada, *[f"It rained for {n} days." for n in range(6)])
    tie(*[(a, other, 0.1 * n) for n, other in enumerate(others, start=1)], *[(b, other, 0.5) for other in others])
    assert [path.ids for path in queries.paths(a, b, 2)] == [[a, others[3], b], [a, others[2], b]]
    assert len(queries.paths(a, b, 0)) == 1
    assert queries.paths(a, a) == queries.paths(a, uuid4()) == []


# --- Neighbours and names ------------------------------------------------------------------------------------


def test_neighbours_of_several_by_relation(ada: UUID) -> None:
    a, b, c = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie((a, b, 0.3), (b, c, 0.9))
    tie((a, b, 0.6), relation="causal")
    found = [(n.of, n.id, n.relation, n.outward) for n in queries.neighbours([b, a])]
    assert found == [
        (b, c, "conceptual", True), (b, a, "causal", False), (b, a, "conceptual", False),
        (a, b, "causal", True), (a, b, "conceptual", True),
    ]  # fmt: skip
    assert [n.relation for n in queries.neighbours([a, c], ["causal", "temporal"])] == ["causal"]
    assert queries.neighbours([a], []) == queries.neighbours([]) == []


def test_entities_come_by_how_many_memories_name_them(ada: UUID) -> None:
    remember(ada, "Then Ann met Bo.", "Then Ann left.", "Then Cy left.")
    link_all()
    assert [(e.name, e.memories) for e in queries.entities(ada)] == [("Ann", 2), ("Bo", 1), ("Cy", 1)]
    assert [e.name for e in queries.entities(ada, limit=1)] == ["Ann"]
    called = queries.called(ada, ["ann", "dan"])
    assert [(key, name) for key, (_, name, _) in called.items()] == [("ann", "Ann")]
    assert queries.called(ada, []) == {}


def test_memories_of_somebody_come_newest_first(ada: UUID) -> None:
    ids = remember(ada, *[f"Then Ann sang {n} songs." for n in range(5)])
    link_all()
    (ann,) = queries.entities(ada)
    assert [node.id for node in queries.memories_of(ann.id)] == ids[::-1]
    assert [node.id for node in queries.memories_of(ann.id, limit=2)] == [ids[4], ids[3]]
    assert queries.memories_of(uuid4()) == []


def test_edges_and_texts_of_given_memories(ada: UUID) -> None:
    a, b, c = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie((a, b), (b, c))
    assert [(e.source_id, e.target_id) for e in queries.edges_among([a, b])] == [(a, b)]
    assert queries.edges_among([a]) == []
    assert queries.contents([a, c]) == {a: "It rained.", c: "It hailed."}
    assert queries.contents([]) == {}


# --- One agent's only ----------------------------------------------------------------------------------------


def test_no_agent_sees_anothers_memories_even_through_a_tie_that_should_not_be(ada: UUID, bo: UUID) -> None:
    mine, also_mine = remember(ada, "It rained.", "It snowed.")
    theirs, also_theirs = remember(bo, "It hailed.", "It blew.")
    tie((mine, theirs), (theirs, also_theirs), (also_theirs, also_mine))
    assert {node.id for node in queries.graph(mine, 6).nodes} == {mine}
    assert queries.neighbours([mine, also_mine]) == []
    assert queries.paths(mine, also_mine) == queries.paths(mine, theirs) == queries.paths(mine, also_theirs) == []
    with transaction.atomic():
        actions.name({mine: [Name("Ann")], theirs: [Name("Bo")]})
    (ann,), (bo_named,) = queries.entities(ada), queries.entities(bo)
    sql.execute("INSERT INTO memory_mentions (entity_id, memory_id) VALUES (%s, %s)", [ann.id, theirs])
    assert [node.id for node in queries.memories_of(ann.id)] == [mine]
    assert (ann.name, bo_named.name) == ("Ann", "Bo")
    assert queries.called(bo, ["ann"]) == {}


# --- Statements ----------------------------------------------------------------------------------------------


def test_questions_are_as_many_queries_for_many_as_for_few(agents: list[UUID], count_queries: Any) -> None:
    for agent_id, size in zip(agents, (4, 60), strict=True):
        ids, _ = random_graph(agent_id, size, size * 3, 5)
        link_all()
        with count_queries() as statements:
            queries.graph(ids[0], 3)
        assert len(statements) == (2 if len(queries.graph(ids[0], 3).nodes) > 1 else 1)
        for call in (
            lambda ids=ids: queries.neighbours(ids),
            lambda ids=ids: queries.paths(ids[0], ids[-1]),
            lambda agent_id=agent_id: queries.entities(agent_id),
            lambda ids=ids: queries.memories_of(ids[0]),
            lambda ids=ids: queries.edges_among(ids),
        ):
            with count_queries() as statements:
                call()
            assert len(statements) == 1


# --- For pages -----------------------------------------------------------------------------------------------


def test_a_graph_of_an_agent_begins_with_no_others_memory(ada: UUID, bo: UUID) -> None:
    (mine,), (others,) = remember(ada, "It rained."), remember(bo, "It snowed.")
    assert [node.id for node in queries.graph(mine, agent_id=ada).nodes] == [mine]
    assert queries.graph(others, agent_id=ada) == queries.Graph([], [])


def test_memories_tell_whom_they_name(ada: UUID, count_queries: CountQueries) -> None:
    first, second, third = remember(ada, "I met Zoe and Ann in Paris.", "It rained.", "Ann said hello to Zoe.")
    assert queries.named([first]) == {first: []}
    link_all()
    with count_queries() as statements:
        found = queries.named([third, second, first])
    assert len(statements) == 1
    assert {one: [each.name for each in names] for one, names in found.items()} == {
        third: ["Ann", "Zoe"], second: [], first: ["Ann", "Paris", "Zoe"],
    }  # fmt: skip
    assert queries.named([]) == {}

"""A graph as a tree of text and as JSON."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from memory.graph import shown
from memory.graph.queries import Edge, Graph, Node, Path

AT = datetime(2026, 1, 1, tzinfo=UTC)


def node(number: int, depth: int, content: str = "") -> Node:
    return Node(UUID(int=number), depth, content or f"memory {number}", "episodic", 0.5, AT)


def edge(source: int, target: int, strength: float = 0.5, relation: str = "temporal") -> Edge:
    return Edge(UUID(int=source), UUID(int=target), relation, strength)


def test_a_tree_has_each_memory_under_its_strongest_tie() -> None:
    graph = Graph(
        [node(0, 0), node(1, 1), node(2, 1), node(3, 2)],
        [edge(2, 3, 0.9), edge(0, 1, 0.8), edge(1, 3, 0.7), edge(2, 0, 0.5, "causal")],
    )
    assert shown.tree(graph).split("\n") == [
        "memory 0",
        "├─ temporal 0.80 → memory 1",
        "└─ causal 0.50 ← memory 2",
        "   └─ temporal 0.90 → memory 3",
        "and 1 more tie among them",
    ]


def test_nothing_is_shown_of_nothing() -> None:
    assert shown.tree(Graph([], [])) == ""
    assert shown.as_json(Graph([], [])) == {"root": None, "nodes": [], "edges": []}


def test_a_memory_takes_one_line() -> None:
    assert shown.tree(Graph([node(0, 0, "a\n b  " + "x" * 300)], [])) == "a b " + "x" * 95 + "…"


def test_json_has_ends_by_their_names() -> None:
    found = shown.as_json(Graph([node(0, 0), node(1, 1)], [edge(0, 1, 0.123456)]))
    assert found["root"] == UUID(int=0)
    assert found["edges"] == [
        {"source": UUID(int=0), "target": UUID(int=1), "relation": "temporal", "strength": 0.1235}
    ]
    assert [one["depth"] for one in found["nodes"]] == [0, 1]


def test_ways_are_numbered() -> None:
    path = Path([UUID(int=0), UUID(int=1)], 0.25)
    assert shown.paths([path], {UUID(int=0): "a", UUID(int=1): "b"}) == "1. 1 edges, strength 0.250\n   a\n   b"


@given(st.lists(st.integers(0, 5), max_size=20))
def test_every_memory_that_is_tied_is_shown_once(parents: list[int]) -> None:
    """Any tree, given as each node's parent."""
    depths = [0]
    edges = []
    for number, parent in enumerate(parents, start=1):
        above = min(parent, number - 1)
        depths.append(depths[above] + 1)
        edges.append(edge(above, number))
    nodes = sorted((node(n, depth) for n, depth in enumerate(depths)), key=lambda one: one.depth)
    lines = shown.tree(Graph(nodes, edges)).split("\n")
    assert sorted(line.split("memory ")[1] for line in lines) == sorted(str(n) for n in range(len(depths)))

"""The graph for people and programs: a tree of text, and JSON with nodes and edges for whoever draws it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from memory.graph.facts import Fact
from memory.graph.queries import Edge, Entity, Graph, Node, Path

WIDEST = 100
"""Characters of a memory in one line."""


def tree(graph: Graph) -> str:
    """Each memory once, under the one that it is most strongly tied to of those a step nearer; edges beside it.

    Ties that the tree does not show are counted at the end. Empty for an empty graph.
    """
    if not graph.nodes:
        return ""
    above = nearer(graph)
    below: dict[UUID, list[Node]] = {}
    for node in graph.nodes[1:]:
        edge = above.get(node.id)
        if edge is not None:
            below.setdefault(_other(edge, node.id), []).append(node)
    lines = [_line(graph.nodes[0].content), *_branches(graph.nodes[0].id, below, above, "")]
    if others := len(graph.edges) - len(above):
        lines.append(f"and {others:,} more {'tie' if others == 1 else 'ties'} among them")
    return "\n".join(lines)


def nearer(graph: Graph) -> dict[UUID, Edge]:
    """By memory, its strongest edge to one that is a step nearer to the first. Edges come strongest first."""
    depth = {node.id: node.depth for node in graph.nodes}
    found: dict[UUID, Edge] = {}
    for edge in graph.edges:
        for end, other in ((edge.source_id, edge.target_id), (edge.target_id, edge.source_id)):
            if depth[end] == depth[other] + 1:
                found.setdefault(end, edge)
    return found


def paths(found: Sequence[Path], nodes: Mapping[UUID, str]) -> str:
    """Ways between two memories, one after the other; `nodes` are the texts."""
    parts = []
    for place, path in enumerate(found, start=1):
        parts.append(f"{place}. {len(path.ids) - 1} edges, strength {path.strength:.3f}")
        parts += [f"   {_line(nodes.get(memory_id, ''))}" for memory_id in path.ids]
    return "\n".join(parts)


def as_json(graph: Graph) -> dict[str, Any]:
    """`{root, nodes: [{id, depth, …}], edges: [{source, target, relation, strength}]}`; `root` is null when empty."""
    return {
        "root": graph.nodes[0].id if graph.nodes else None,
        "nodes": [memory(node) for node in graph.nodes],
        "edges": [
            {"source": e.source_id, "target": e.target_id, "relation": e.relation, "strength": round(e.strength, 4)}
            for e in graph.edges
        ],
    }


def memory(node: Node) -> dict[str, Any]:
    """One memory."""
    return {
        "id": node.id, "depth": node.depth, "content": node.content, "kind": node.kind,
        "importance": node.importance, "at": node.inserted_at,
    }  # fmt: skip


def entity(one: Entity) -> dict[str, Any]:
    """Somebody or something that memories name."""
    return {"id": one.id, "name": one.name, "kind": one.kind, "aliases": one.aliases, "memories": one.memories}


def fact(one: Fact) -> dict[str, Any]:
    """One fact and its time."""
    return {
        "id": one.id, "subject": one.subject, "relation": one.relation, "value": one.value, "memory": one.memory_id,
        "from": one.valid_from, "to": one.valid_to,
    }  # fmt: skip


def _other(edge: Edge, end: UUID) -> UUID:
    return edge.target_id if edge.source_id == end else edge.source_id


def _branches(
    parent: UUID, below: Mapping[UUID, Sequence[Node]], above: Mapping[UUID, Edge], indent: str
) -> Iterator[str]:
    nodes = below.get(parent, ())
    for place, node in enumerate(nodes, start=1):
        last = place == len(nodes)
        edge = above[node.id]
        arrow = "→" if edge.target_id == node.id else "←"
        tie = f"{edge.relation} {edge.strength:.2f} {arrow}"
        yield f"{indent}{'└' if last else '├'}─ {tie} {_line(node.content)}"
        yield from _branches(node.id, below, above, indent + ("   " if last else "│  "))


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WIDEST else flat[: WIDEST - 1] + "…"

from __future__ import annotations

from uuid import UUID

from domains import sql


def let_nodes_pass(seconds: float, *node_ids: UUID) -> None:
    """As if some nodes, or all, had been silent for so much longer."""
    sql.execute(
        "UPDATE nodes SET seen_at = seen_at - make_interval(secs => %s) WHERE id = ANY(%s) OR cardinality(%s) = 0",
        [seconds, sql.Ids(node_ids), sql.Ids(node_ids)],
    )

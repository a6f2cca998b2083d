"""What agents recalled: how often each memory came back to them, which ones together, and how often a recall was a hit.

Only what agents recall for themselves is counted, never what people look up. A recall is a hit when it brought at least
one memory that was near enough to be used: spoken of in an answer, put into a model's question, or made the evidence
of an insight. Searching (`memory.queries`) writes nothing; who recalled says so here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domains import sql
from memory import metrics
from memory.graph import actions as graph

# Whoever holds one of the rows at this moment is not waited for: one recall more or less matters less than a tick.
# Nothing of it is indexed.
SEEN = """
WITH free AS MATERIALIZED (
    SELECT m.id, u.times FROM unnest(%(agents)b::uuid[], %(ids)b::uuid[], %(times)b::int8[]) AS u (agent_id, id, times)
    JOIN memory_nodes m ON m.id = u.id AND m.agent_id = u.agent_id
    ORDER BY m.agent_id, m.content_hash, m.valid_to FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE memory_nodes m SET access_count = m.access_count + free.times,
    last_accessed_at = greatest(m.last_accessed_at, %(now)s)
FROM free WHERE m.id = free.id
"""

# In the order of agents, so that two who count the same ones do not wait in a circle. Nobody but recalls writes here.
COUNT = """
INSERT INTO memory_recalls AS r (agent_id, recalls, hits, last_at)
SELECT u.agent_id, u.recalls, u.hits, %(now)s
FROM unnest(%(agents)b::uuid[], %(recalls)b::int8[], %(hits)b::int8[]) AS u (agent_id, recalls, hits)
ORDER BY u.agent_id
ON CONFLICT (agent_id) DO UPDATE SET recalls = r.recalls + excluded.recalls, hits = r.hits + excluded.hits,
    last_at = greatest(r.last_at, excluded.last_at)
"""


@dataclass(frozen=True, slots=True)
class Recall:
    """One recall of one agent."""

    agent_id: UUID
    found: tuple[UUID, ...]
    """Memories that it brought and that were near enough to be used; none: it was no hit."""
    besides: tuple[UUID, ...] = ()
    """Memories that the agent went back to without searching for them."""
    counts: bool = True
    """False when nothing was searched, and only `besides` are told."""


def recalled(recalls: Sequence[Recall], *, now: datetime) -> None:
    """Count what agents recalled, and strengthen the ties among what one agent recalled together.

    Needs an open transaction, and comes late in it. At most three statements, whatever the number; waits for no upkeep.
    Memories that are gone by now, or are another agent's, are passed over.
    """
    sql.require_transaction("counting what was recalled")
    asked = Counter(one.agent_id for one in recalls if one.counts)
    hits = Counter(one.agent_id for one in recalls if one.counts and one.found)
    times = Counter((one.agent_id, node_id) for one in recalls for node_id in {*one.found, *one.besides})
    if times:
        agents, ids = zip(*times, strict=True)
        params = {"agents": sql.Ids(agents), "ids": sql.Ids(ids), "times": sql.Integers(times.values()), "now": now}
        sql.execute(SEEN, params)
        graph.recalled_together(sorted(set(ids)), now=now)
    if asked:
        agents = tuple(asked)
        counts = {"recalls": sql.Integers(asked.values()), "hits": sql.Integers(hits[one] for one in agents)}
        sql.execute(COUNT, {"agents": sql.Ids(agents), "now": now, **counts})
    metrics.recalls.inc(asked.total())
    metrics.recall_hits.inc(hits.total())

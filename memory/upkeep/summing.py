"""Old episodes are summed up: each becomes one semantic memory, tied to what it stands for by `hierarchical` edges.

The edges are the record: a memory that such an edge leads to is not summed up again. Looking, asking a model and
writing are apart; what has changed in between is left for the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from domains import sql
from memory import metrics
from memory.actions import storing
from memory.actions.storing import NewMemory
from memory.graph import actions as graph
from memory.graph import locks
from memory.graph.actions import NewEdge
from memory.upkeep import episodes, state
from memory.upkeep.limits import EPISODES
from memory.upkeep.summarisers import LONGEST, Episode, Moment, Told

TAG = "summary"

_STOOD_FOR = """EXISTS (SELECT 1 FROM memory_edges e
    WHERE e.target_id = m.id AND e.relation = 'hierarchical')"""
UNSUMMED = f"""
SELECT id, inserted_at FROM memory_nodes m
WHERE agent_id = %s AND kind = 'episodic' AND NOT {_STOOD_FOR} ORDER BY inserted_at, id
"""
READ = "SELECT id, inserted_at, content, importance, valence FROM memory_nodes WHERE id = ANY(%b::uuid[])"
KEEP = f"""
SELECT id FROM memory_nodes m WHERE id = ANY(%b::uuid[]) AND NOT {_STOOD_FOR}
ORDER BY agent_id, content_hash, valid_to FOR KEY SHARE SKIP LOCKED
"""


def find(agent_id: UUID, *, now: datetime, after: timedelta) -> tuple[list[Episode], episodes.Found]:
    """Episodes to sum up now, and all there are to know of. Two queries."""
    alone = sql.fetch_rows(UNSUMMED, [agent_id], binary=True)
    found = episodes.find(alone, now=now, after=after)
    due = found.due[:EPISODES]
    found.awaiting.update(one for ids in found.due[EPISODES:] for one in ids)
    wanted = sql.Ids(one for ids in due for one in ids)
    rows = {row[0]: Moment(*row) for row in sql.fetch_rows(READ, [wanted])} if due else {}
    whole = [tuple(rows[one] for one in ids) for ids in due if rows.keys() >= set(ids)]
    return [Episode(agent_id, moments) for moments in whole], found


def write(agent_id: UUID, told: Sequence[tuple[Episode, Told]], *, wait: bool = False) -> int:
    """Store what was told of episodes, all of whose memories are there and stand alone. Returns how many those were.

    Opens the transaction. Raises: state.Elsewhere.
    """
    if not told:
        return 0
    with state.held(agent_id, wait=wait):
        locks.hold([agent_id])
        ids = sql.Ids(moment.id for episode, _ in told for moment in episode.moments)
        kept = {row[0] for row in sql.fetch_rows(KEEP, [ids])}
        good = [one for one in told if all(moment.id in kept for moment in one[0].moments)]
        memories = [_memory(episode, words) for episode, words in good]
        made = storing.store_many(memories)
        graph.link([
            NewEdge(summary_id, moment.id, "hierarchical", 1.0)
            for summary_id, (episode, _) in zip(made, good, strict=True)
            for moment in episode.moments
            if summary_id is not None and summary_id != moment.id
        ])  # fmt: skip
        for _, words in good:
            transaction.on_commit(metrics.summaries.labels(words.by.split(" ")[0]).inc)
    return len(good)


def _memory(episode: Episode, told: Told) -> NewMemory:
    """As weighty as the weightiest, and as it felt on the whole; from when the episode was, of UTC."""
    moments = episode.moments
    heading = episodes.heading(episode.begins_at.astimezone(UTC), episode.ends_at.astimezone(UTC))
    return NewMemory(
        episode.agent_id,
        f"{heading}: {told.text[:LONGEST]}",
        kind="semantic",
        importance=max(moment.importance for moment in moments),
        valence=sum(moment.valence for moment in moments) / len(moments),
        tags=(TAG,),
        source={"summary_of": [str(moment.id) for moment in moments], "by": told.by},
        at=episode.ends_at,
        valid_from=episode.begins_at,
    )

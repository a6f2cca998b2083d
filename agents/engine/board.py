"""The blackboard as ticks write on it: what agents put leaves with a chunk, and is put by the barrier.

So a tick takes no lock of the board, and whoever ticks first in it makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agents import board, events
from agents.facts import Facts
from domains import sql
from domains.thunderflow.actions import NewEvent
from domains.thunderflow.blackboard import actions as blackboard
from domains.thunderflow.blackboard.actions import Put
from domains.thunderflow.blackboard.errors import BlackboardError
from zones.actions import clock
from zones.events import zone_stream

COLUMNS = {
    "world_id": "uuid", "zone_id": "uuid", "tick": "int8", "agent_id": "uuid", "ordinal": "int4",
    "key": "varchar", "value": "json", "expect": "int8", "author": "varchar",
}  # fmt: skip

TAKE = """
DELETE FROM agent_board_writes WHERE world_id = %s AND tick <= %s
RETURNING tick, ordinal, id, key, value, expect, author, agent_id, zone_id
"""


def leave(wishes: Iterable[tuple[Facts, Iterable[Put]]]) -> None:
    """Write down what a chunk's agents want put, if there is any: one COPY."""
    rows = [row for facts, puts in wishes for row in _rows(facts, puts)]
    if rows:
        sql.copy("agent_board_writes", COLUMNS, rows)


def _rows(facts: Facts, puts: Iterable[Put]) -> Iterator[tuple[Any, ...]]:
    me, zone, author = facts.me, facts.zone, f"agent:{facts.me.name}"
    for one in puts:
        value = blackboard.check(one, board.writer(author, zone.world_name))
        yield (zone.world_id, zone.id, facts.tick, me.id, me.ordinal, one.key, value, one.expect, author)


def put(turn: clock.Turn) -> list[NewEvent]:
    """Put what left with this tick, by tick, ordinal and each agent's own order. Returns events of what was refused.

    Locks streams of the board, which come before those of zones.
    """
    rows = sorted(sql.fetch_rows(TAKE, [turn.world_id, turn.tick]), key=lambda row: row[:3])
    puts = [
        Put(key, value, expect, by=board.writer(author, turn.name)) for _, _, _, key, value, expect, author, *_ in rows
    ]
    done = blackboard.put_possible(puts, by="system")
    told = []
    for row, result in zip(rows, done, strict=True):
        if isinstance(result, BlackboardError):
            tick, _, _, key, _, _, author, agent_id, zone_id = row
            payload = events.BoardRefused(
                agent_id=agent_id, name=author.partition(":")[2], key=key, code=result.code, world_tick=tick
            )
            told.append(NewEvent(zone_stream(zone_id), f"agent.{agent_id}.board_refused", payload, actor=author))
    return told

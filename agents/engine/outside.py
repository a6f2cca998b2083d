"""Calls of outside tools as ticks make them: they are written down, and nothing of them happens here.

What comes of one is a message to the agent, which is an input of a later tick as everybody's words are. So a tick
follows from the world alone, whatever is said, switched or broken outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from agents.facts import Facts, Wish
from domains import sql
from domains.ids import new_raw_id

COLUMNS = {
    "id": "uuid", "agent_id": "uuid", "world_id": "uuid", "tool": "varchar", "arguments": "json", "about": "varchar",
    "tick_number": "int8", "asked_tick": "int8", "attempt": "int2", "status": "varchar", "code": "varchar",
    "result": "text", "error": "varchar", "started_at": "timestamptz", "expires_at": "timestamptz",
}  # fmt: skip


def leave(wishes: Iterable[tuple[Facts, Iterable[Wish]]], now: datetime) -> None:
    """Write down what a chunk's agents want asked outside, if there is any: one COPY."""
    rows = [row for facts, wanted in wishes for row in _rows(facts, wanted, now)]
    if rows:
        sql.copy("outside_calls", COLUMNS, rows)


def _rows(facts: Facts, wishes: Iterable[Wish], now: datetime) -> Iterator[tuple[Any, ...]]:
    me, zone = facts.me, facts.zone
    for wish in wishes:
        yield (
            new_raw_id(), me.id, zone.world_id, wish.tool, orjson.dumps(wish.arguments), wish.about,
            me.tick_number, facts.tick, 0, "open", "", "", "", now, now,
        )  # fmt: skip

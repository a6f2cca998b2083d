"""The blackboard's tools, for agents and for programs.

What an agent puts is only wished for: it leaves with the world tick and is put when all zones are done with it, so that
a tick takes no lock of the board and every agent of the tick sees the same board. What others put is there at once.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from domains.thunderflow.blackboard import actions, keys, queries
from domains.thunderflow.blackboard.errors import BlackboardError
from domains.thunderflow.patterns import BadPattern
from domains.tools import Arguments, Caller, ToolError, tool

READ, WRITE = "read_blackboard", "write_blackboard"


class Key(Arguments):
    """Which entry."""

    key: str = Field(min_length=1, max_length=keys.MAX_KEY)


class Shown(BaseModel):
    """An entry as it lies."""

    key: str
    value: Any
    version: int
    author: str


class Found(BaseModel):
    """The entry; none when there is none."""

    key: str
    entry: Shown | None


@tool(
    name="blackboard_get",
    description="Read one entry of the shared board.",
    capability=READ,
    output=Found,
    writes=False,
)
def blackboard_get(wanted: Key, caller: Caller) -> Found:
    """One query."""
    try:
        entry = queries.get(wanted.key)
    except BlackboardError as error:
        raise ToolError(error.code, str(error)) from error
    return Found(key=wanted.key, entry=_shown(entry) if entry else None)


class Pattern(Arguments):
    """Which entries: `*` is one word of a key, `**` any number of them."""

    pattern: str = Field(min_length=1, max_length=keys.MAX_KEY)
    limit: int = Field(20, ge=1, le=100)


class Listed(BaseModel):
    """Entries by key."""

    pattern: str
    entries: list[Shown]


@tool(
    name="blackboard_query",
    description="Read the entries of the shared board whose keys fit a pattern.",
    capability=READ,
    output=Listed,
    writes=False,
)
def blackboard_query(wanted: Pattern, caller: Caller) -> Listed:
    """One query, or two."""
    try:
        found = queries.query(wanted.pattern, limit=wanted.limit)
    except BadPattern as error:
        raise ToolError("bad_pattern", str(error)) from error
    return Listed(pattern=wanted.pattern, entries=[_shown(entry) for entry in found])


class Note(Arguments):
    """What to put where."""

    key: str = Field(min_length=1, max_length=keys.MAX_KEY)
    value: Any
    expect: int | None = Field(None, ge=0, le=2**63 - 1)
    """The version that it replaces; 0: there must be none."""
    ttl_s: float | None = Field(None, gt=0)
    """Seconds that it lasts."""


class Noted(BaseModel):
    """It is on the board, or will be with the next world tick."""

    key: str
    value: Any
    version: int | None = None
    """None: it is put when the world tick ends."""


@tool(
    name="blackboard_put",
    description="Write an entry of the shared board.",
    capability=WRITE,
    output=Noted,
    writes=False,  # an agent's only wishes
)
def blackboard_put(note: Note, caller: Caller) -> Noted:
    """An agent's goes to `caller.wishes`."""
    put = actions.Put(note.key, note.value, note.expect, note.ttl_s, by=caller.actor)
    try:
        if caller.agent_id is None:
            (entry,) = actions.put_many([put], by=caller.actor)
            return Noted(key=entry.key, value=entry.value, version=entry.version)
        actions.check(put)
    except BlackboardError as error:
        raise ToolError(error.code, str(error)) from error
    if note.ttl_s is not None:
        raise ToolError("invalid_arguments", "blackboard_put: ttl_s: time in seconds is not an agent's; leave it out")
    caller.wishes.append(put)
    return Noted(key=note.key, value=note.value)


def _shown(entry: queries.Entry) -> Shown:
    return Shown(key=entry.key, value=entry.value, version=entry.version, author=entry.author)

"""What agents remember: searched, and added to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from agents import rules
from agents.client_tools.meant import AgentWanted, agent_meant, mine
from domains.tools import Caller, Conduct, Reply, ToolError, tool
from memory import actions, queries
from zones.client_tools import Name

Kind = Literal["episodic", "semantic", "procedural", "emotional"]


class Question(AgentWanted):
    """What an agent shall think back to. You need to act for it, or a grant of who governs it."""

    text: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
    """In plain words. Names, and times such as “last week”, are understood."""
    limit: Annotated[int, Field(ge=1, le=50)] = 10
    kinds: list[Kind] | None = None
    tags: Annotated[list[Name], Field(max_length=20)] | None = None
    """Only memories that carry all of these."""
    as_of: AwareDatetime | None = None
    """As the agent would have remembered at that time."""
    explain: bool = False
    """Also say what the score is made of."""


class MemoryFound(Reply):
    """A memory that was found."""

    id: UUID
    content: str
    kind: str
    importance: float
    valence: float
    at: datetime
    score: float
    """About 0 to 3; above 1 it answers the question."""
    because: dict[str, float] | None
    """What the score is made of, greatest effect first, where that was asked for."""


class Memories(Reply):
    """What was found, best first."""

    agent: str
    memories: list[MemoryFound]


@tool(
    name="memory_search",
    description="Search what an agent remembers, by meaning, words, names and time.",
    capability="memory:read",
    output=Memories,
    for_people=Conduct("Search memories", read_only=True, idempotent=True),
)
def memory_search(wanted: Question, caller: Caller) -> Memories:
    """One exact search over all of the agent's memories. That somebody else's were read is told."""
    agent = agent_meant(wanted, caller)
    rules.read_memories(caller.identity, [agent], door="mcp")
    found = queries.search(
        agent.pk, wanted.text, limit=wanted.limit, kinds=wanted.kinds, tags=wanted.tags, as_of=wanted.as_of,
        explain=wanted.explain,
    )  # fmt: skip
    return Memories(agent=agent.name, memories=[_found(one, explain=wanted.explain) for one in found])


def _found(one: queries.Found, *, explain: bool) -> MemoryFound:
    because = {name: round(part, 4) for name, part in one.parts.items()} if explain else None
    return MemoryFound(
        id=one.id, content=one.content, kind=one.kind, importance=one.importance, valence=one.valence,
        at=one.inserted_at, score=round(one.score, 4), because=because,
    )  # fmt: skip


class NewMemory(AgentWanted):
    """Something that an agent shall remember."""

    content: Annotated[str, Field(min_length=1, max_length=10_000)]
    kind: Kind = "episodic"
    importance: Annotated[float, Field(ge=0, le=1)] = 0.5
    valence: Annotated[float, Field(ge=-1, le=1)] = 0.0
    tags: Annotated[list[Name], Field(max_length=50)] = []


class Stored(Reply):
    """Where it went."""

    agent: str
    id: UUID
    """Of the memory; of an equal one, if the agent had it already."""


@tool(
    name="memory_store",
    description="Give an agent a memory. An equal text of the same agent is one memory, which then counts it.",
    capability="memory:write",
    output=Stored,
    for_people=Conduct("Store a memory", idempotent=True),
)
def memory_store(wanted: NewMemory, caller: Caller) -> Stored:
    """At most five queries besides finding the agent."""
    agent = mine(wanted, caller)
    stored = actions.store(
        agent.pk, wanted.content, kind=wanted.kind, importance=wanted.importance, valence=wanted.valence,
        tags=tuple(wanted.tags), source={"by": caller.actor},
    )  # fmt: skip
    if stored is None:
        raise ToolError("not_stored", "it only repeats what was just recalled")
    return Stored(agent=agent.name, id=stored)

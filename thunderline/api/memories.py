"""`/agents/<id>/memories`: what an agent remembers, why it was found, what hangs together, and what it holds to be so.

Begins with the agent: who may not see its world finds none of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.response import Response

from memory import actions, queries
from memory.actions import NewMemory
from memory.graph import facts as known
from memory.graph import queries as graphs
from thunderline.api import agents as agent_doors
from thunderline.api import pages, problems, requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, empty, reply
from thunderline.views.explained import explain

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e41"
EXAMPLE = {
    "id": EXAMPLE_ID, "agent_id": agent_doors.EXAMPLE_ID, "content": "Bo taught her how to tie a bowline knot.",
    "summary": "", "kind": "semantic", "importance": 0.8, "valence": 0.3, "tags": ["knots"], "source": {},
    "seen_count": 1, "access_count": 2, "at": "2026-05-31T12:10:00Z", "last_seen_at": "2026-05-31T12:10:00Z",
    "valid_from": None, "valid_to": None,
}  # fmt: skip
IDS = {"agent_id": agent_doors.EXAMPLE_ID}
ONE = {**IDS, "memory_id": EXAMPLE_ID}
EXAMPLE_FOUND = {
    **{name: EXAMPLE[name] for name in ("id", "content", "kind", "importance", "valence", "source", "at")},
    "score": 1.31, "why": [{"part": "words", "text": "says the same words", "value": 1.05},
                           {"part": "importance", "text": "is important", "value": 0.26}],
}  # fmt: skip
EXAMPLE_NODE = {
    "id": EXAMPLE_ID, "depth": 0, "content": EXAMPLE["content"], "kind": "semantic", "importance": 0.8,
    "at": "2026-05-31T12:10:00Z",
}  # fmt: skip
EXAMPLE_FACT = {
    "id": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e51", "subject": "Bo", "relation": "lives in", "value": "the lighthouse",
    "memory_id": EXAMPLE_ID, "valid_from": "2026-05-31T12:10:00Z", "valid_to": None,
}  # fmt: skip

Kind = Literal["episodic", "semantic", "procedural", "emotional"]
Tag = Annotated[str, Field(min_length=1, max_length=100), requests.Storable]
Tags = Annotated[list[Tag], Field(max_length=50)]


class Memory(BaseModel):
    """A memory. It holds from `valid_from` (null: since `at`) until before `valid_to` (null: for good)."""

    id: UUID
    agent_id: UUID
    content: str
    summary: str
    kind: Kind
    importance: float
    valence: float
    tags: list[str]
    source: dict[str, Any]
    seen_count: int
    access_count: int
    at: datetime
    last_seen_at: datetime
    valid_from: datetime | None
    valid_to: datetime | None


class MemoryPage(pages.Page[Memory]):
    """Memories, newest first."""


class NewMemoryIn(requests.Given):
    """Something to be remembered."""

    content: Annotated[str, Field(min_length=1, max_length=10_000), requests.Storable]
    kind: Kind = "episodic"
    importance: Annotated[float, Field(ge=0, le=1)] = 0.5
    valence: Annotated[float, Field(ge=-1, le=1)] = 0.0
    summary: Annotated[str, Field(max_length=500), requests.Storable] = ""
    tags: Tags = []
    valid_from: requests.Instant | None = None
    valid_to: requests.Instant | None = None


class MemoriesQuery(requests.Pages):
    """Which memories."""

    kind: Kind | None = None
    as_of: Annotated[requests.Instant | None, Field(description="Those that held then.")] = None


class SearchQuery(requests.Query):
    """What is asked."""

    q: Annotated[str, Field(min_length=1, max_length=500, description="The question, in words."), requests.Storable]
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    kind: Annotated[list[Kind], Field(max_length=4, description="Of any of these kinds.")] = []
    tag: Annotated[Tags, Field(description="With all of these tags.")] = []
    as_of: Annotated[requests.Instant | None, Field(description="What held then, as seen from then.")] = None


class Why(BaseModel):
    """A part of a score, in words too; below 0 it speaks against."""

    part: str
    text: str
    value: float


class Found(BaseModel):
    """A memory that was found. `score` is about 0 to 3; the parts of `why` add up to it, greatest effect first."""

    id: UUID
    content: str
    kind: Kind
    importance: float
    valence: float
    source: dict[str, Any]
    at: datetime
    score: float
    why: list[Why]


class Answers(BaseModel):
    """What was found, best first."""

    results: list[Found]


class GraphQuery(requests.Query):
    """How far to go."""

    depth: Annotated[int, Field(ge=1, le=graphs.MOST_DEPTH)] = 2
    limit: Annotated[int, Field(ge=1, le=graphs.MOST_NODES, description="Memories at most.")] = 100


class GraphNode(BaseModel):
    """A memory, so many steps from the first."""

    id: UUID
    depth: int
    content: str
    kind: Kind
    importance: float
    at: datetime


class GraphEdge(BaseModel):
    """A tie between two memories; strength is 0–1."""

    source: UUID
    target: UUID
    relation: str
    strength: float


class Graph(BaseModel):
    """What is around a memory, nearest first; edges strongest first."""

    root: UUID
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class FactsQuery(requests.Query):
    """Which facts."""

    subject: Annotated[str, Field(min_length=1, max_length=200), requests.Storable] | None = None
    relation: Annotated[str, Field(min_length=1, max_length=200), requests.Storable] | None = None
    as_of: requests.Instant | None = None


class Fact(BaseModel):
    """What an agent holds to be so, from the memory that it is from; `valid_to` null: still."""

    id: UUID
    subject: str
    relation: str
    value: str
    memory_id: UUID | None
    valid_from: datetime
    valid_to: datetime | None


class Facts(BaseModel):
    """Facts in force."""

    results: list[Fact]


def _shape(node: Any) -> Memory:
    alike = set(Memory.model_fields) - {"at"}
    return Memory(**{name: getattr(node, name) for name in alike}, at=node.inserted_at)


def _found(found: Any) -> Found:
    reasons = explain(found.parts, 1.0).reasons
    return Found(
        id=found.id, content=found.content, kind=found.kind, importance=found.importance, valence=found.valence,
        source=found.source, at=found.inserted_at, score=round(found.score, 6),
        why=[Why(part=one.part, text=one.text, value=round(one.value, 6)) for one in reasons],
    )  # fmt: skip


def _one(agent_id: UUID, memory_id: UUID) -> Any:
    """Raises: problems.Refused (404)."""
    found = queries.one(agent_id, memory_id)
    if found is None:
        raise problems.not_found("memory")
    return found


class Memories(Door):
    domain = "thundervault"

    @operation(
        "memories_list", "An agent's memories", tag="memories", scope="memory:read", ids=IDS, query=MemoriesQuery,
        answer=MemoryPage, shows={"results": [EXAMPLE], "next": None}, errors=[422],
        asks={"kind": "semantic", "limit": 20},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, query: MemoriesQuery) -> Response:
        """Newest first."""
        agent_doors.read(request, agent_id)
        key = pages.key_of(query.cursor, UUID)
        kinds = [query.kind] if query.kind else None
        found = queries.latest(
            agent_id, limit=query.limit + 1, kinds=kinds, as_of=requests.instant("as_of", query.as_of),
            before=key[0] if key else None,
        )  # fmt: skip
        return reply(pages.page(request, found, query.limit, key=lambda node: (node.pk,), shape=_shape))

    @operation(
        "memories_store", "Let an agent remember something", tag="memories", scope="memory:write",
        ids=IDS, body=NewMemoryIn, answer=Memory, status=201, repeatable=True,
        sends={"content": EXAMPLE["content"], "kind": "semantic", "importance": 0.8, "tags": ["knots"]},
        shows=EXAMPLE,
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID, body: NewMemoryIn) -> Response:
        """For who governs it, and for itself. The same words again are the same memory, seen once more."""
        agent_doors.minded(request, agent_id)
        for name in ("valid_from", "valid_to"):
            requests.instant(name, getattr(body, name))
        given = body.model_dump() | {"tags": tuple(body.tags), "source": {"by": self.actor}}
        with transaction.atomic():
            stored = actions.store(NewMemory(agent_id, **given))
            node = _one(agent_id, stored) if stored else None
        if node is None:  # nothing was recalled that it could only repeat
            raise problems.Refused(409, "conflict", "it was forgotten at this very moment; send it again")
        return created(_shape(node), at=f"{request.path}/{node.pk}")


class SearchMemories(Door):
    domain = "thundervault"

    @operation(
        "memories_search", "Ask what an agent remembers", tag="memories", scope="memory:read", ids=IDS,
        query=SearchQuery, answer=Answers, shows={"results": [EXAMPLE_FOUND]}, errors=[422], heavy=True,
        asks={"q": "how does one tie a knot?", "limit": 5, "kind": ["semantic", "procedural"]},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, query: SearchQuery) -> Response:
        """By meaning, words, time, importance and what stood beside it, over all of its memories; `why` explains."""
        agent_doors.read(request, agent_id)
        found = queries.search(
            agent_id, query.q, limit=query.limit, kinds=query.kind or None, tags=query.tag or None,
            as_of=requests.instant("as_of", query.as_of), explain=True,
        )  # fmt: skip
        return reply(Answers(results=[_found(one) for one in found]))


class OneMemory(Door):
    domain = "thundervault"

    @operation(
        "memories_read", "A memory", tag="memories", scope="memory:read", ids=ONE, answer=Memory, shows=EXAMPLE,
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, memory_id: UUID) -> Response:
        """As it is; to look at it is not to recall it."""
        agent_doors.read(request, agent_id)
        return reply(_shape(_one(agent_id, memory_id)))

    @operation(
        "memories_close", "Let a memory hold no longer", tag="memories", scope="memory:write",
        ids=ONE, status=204,
    )  # fmt: skip
    def delete(self, request: Any, agent_id: UUID, memory_id: UUID) -> Response:
        """From now on it is not found any more; `as_of` an earlier instant it is. Nothing is removed."""
        agent_doors.minded(request, agent_id)
        _one(agent_id, memory_id)
        with transaction.atomic():
            actions.close(agent_id, [memory_id], at=timezone.now())
        return empty()


class MemoryGraph(Door):
    domain = "thundervault"

    @operation(
        "memories_graph", "What is around a memory", tag="memories", scope="memory:read", ids=ONE, query=GraphQuery,
        answer=Graph, shows={"root": EXAMPLE_ID, "nodes": [EXAMPLE_NODE], "edges": []}, asks={"depth": 2},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, memory_id: UUID, query: GraphQuery) -> Response:
        """In rings, the strongest ties first; the agent's own memories only."""
        agent_doors.read(request, agent_id)
        found = graphs.graph(memory_id, query.depth, most=query.limit, agent_id=agent_id)
        if not found.nodes:
            raise problems.not_found("memory")
        nodes = [
            GraphNode(id=n.id, depth=n.depth, content=n.content, kind=n.kind, importance=n.importance, at=n.inserted_at)
            for n in found.nodes
        ]
        edges = [GraphEdge(source=e.source_id, target=e.target_id, relation=e.relation, strength=round(e.strength, 4))
                 for e in found.edges]  # fmt: skip
        return reply(Graph(root=memory_id, nodes=nodes, edges=edges))


class AgentFacts(Door):
    domain = "thundervault"

    @operation(
        "facts_list", "What an agent holds to be so", tag="memories", scope="memory:read", ids=IDS, query=FactsQuery,
        answer=Facts, shows={"results": [EXAMPLE_FACT]}, asks={"subject": "Bo"}, errors=[422],
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, query: FactsQuery) -> Response:
        """Now, or at an earlier instant."""
        agent_doors.read(request, agent_id)
        found = known.facts(agent_id, query.subject, query.relation, requests.instant("as_of", query.as_of))
        return reply(Facts(results=[Fact(**{name: getattr(one, name) for name in Fact.model_fields}) for one in found]))

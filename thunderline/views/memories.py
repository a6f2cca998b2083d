"""An agent's memories: asked for, explained, and shown with what is around them; and its facts.

Who may not see the agent's world finds none of it, and who sees it but does not own the agent needs a grant: each view
asks that first. The graph begins with a memory of that agent or is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from agents import queries as agents
from agents import rules
from domains.thundergate import addresses
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import Forbidden
from memory import queries as memory
from memory.graph import facts as known
from memory.graph import queries as graphs
from memory.graph import shown
from memory.recall import matches
from thunderline.views import live
from thunderline.views.explained import FULL, Explanation, explain, favour

MEMORIES_SHOWN = 20
LONGEST_QUESTION = 500
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
FACTS_SHOWN = 12
NAMES_SHOWN = 10
LONGEST_FACT = 200
DEPTHS = (1, 2, 3)
MOST_PICTURED = 120
"""Memories in one picture; more cannot be told apart."""
MOST_TIES = 600
"""In one picture: the strongest."""
LONGEST_PICTURED = 280
"""Characters of a memory in a picture and in the list beside it."""


def visible(request: HttpRequest, agent_id: UUID) -> Any:
    """The agent. Raises: Http404 when there is none, or none that the user may see."""
    agent = agents.visible(agent_id, request.user)
    if agent is None:
        raise Http404
    return agent


def closed(request: HttpRequest, agent: Any) -> str | None:
    """Why somebody may not read what the agent remembers; None: they may, and that they did is told."""
    who = Identity(request.user, Via.SESSION, address=addresses.client(request))
    try:
        rules.read_memories(who, [agent], door="pages")
    except Forbidden:
        return f"What {agent.name} remembers is for who owns it, and for those whom they let"
    return None


def _readable(request: HttpRequest, agent_id: UUID) -> Any:
    """An agent whose memories may be read. Raises: Http404, PermissionDenied."""
    agent = visible(request, agent_id)
    if closed(request, agent):
        raise PermissionDenied
    return agent


# --- Asking --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What the search box holds. `problem`: why it cannot be answered, for people."""

    text: str = ""
    kind: str = ""
    day: str = ""
    as_of: datetime | None = None
    problem: str = ""

    @property
    def address(self) -> str:
        """The part of an address that asks the same."""
        given = {"q": self.text, "kind": self.kind, "as_of": self.day}
        found = urlencode({name: value for name, value in given.items() if value})
        return f"?{found}" if found else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A memory as it is listed: `pieces` of its text with whether each is a word of the question."""

    memory: Any
    pieces: Sequence[tuple[str, bool]]
    names: Sequence[graphs.Named]
    why: Explanation | None


def asked(request: HttpRequest) -> Asked:
    """What was asked, and what is wrong with it."""
    text, kind, day = live.asked(request), request.GET.get("kind", ""), request.GET.get("as_of", "")
    as_of, problem = None, ""
    if len(text) > LONGEST_QUESTION:
        problem = f"A question has {LONGEST_QUESTION} characters at most; this one has {len(text):,}."
        text = text[:LONGEST_QUESTION]
    if kind and kind not in memory.KINDS:
        problem, kind = f"There is no such kind of memory: choose one of {', '.join(memory.KINDS)}.", ""
    if day:
        as_of = _end_of(day)
        if as_of is None:
            problem, day = "A date is written like 2026-05-31, and lies between 1970 and 2999.", ""
    return Asked(text, kind, day, as_of, problem)


def _end_of(text: str) -> datetime | None:
    """The last moment of a day in the server's time zone, if it is one."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(day, time.max)) if FIRST_DAY <= day <= LAST_DAY else None


def answer(agent: Any, wanted: Asked) -> dict[str, Any]:
    """Context of `parts/memories.html`: what was found, or the newest when nothing was asked."""
    context = {"agent": agent, "asked": wanted, "kinds": memory.KINDS}
    if wanted.problem:
        return {**context, "memories": []}
    kinds = [wanted.kind] if wanted.kind else None
    if wanted.text:
        found: Sequence[Any] = memory.search(
            agent.pk, wanted.text, limit=MEMORIES_SHOWN, kinds=kinds, as_of=wanted.as_of, explain=True
        )
    else:
        found = memory.latest(agent.pk, limit=MEMORIES_SHOWN, kinds=kinds, as_of=wanted.as_of)
    return {**context, "memories": _shown(found, wanted.text)}


def _shown(found: Sequence[Any], question: str) -> list[Shown]:
    names = graphs.named([one.id for one in found])
    best = max([FULL, *(favour(one.parts) for one in found)]) if question else FULL
    return [
        Shown(
            one,
            matches.pieces(one.content, question),
            names[one.id],
            explain(one.parts, best) if question and one.parts else None,
        )
        for one in found
    ]


def search(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The part of the agent's page that holds its memories; 400 with the reason when it cannot be answered."""
    agent = visible(request, agent_id)
    if reason := live.shut("thundervault"):
        response = render(request, "parts/memories.html", {"agent": agent, "shut": reason}, status=503)
        response["Retry-After"] = "5"
        return response
    if reason := closed(request, agent):
        return render(request, "parts/memories.html", {"agent": agent, "shut": reason}, status=403)
    wanted = asked(request)
    response = render(request, "parts/memories.html", answer(agent, wanted), status=400 if wanted.problem else 200)
    if not wanted.problem and request.headers.get("HX-Request"):
        response["HX-Replace-Url"] = reverse("agent", args=[agent_id]) + wanted.address
    return response


# --- Around a memory -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Near:
    """A memory around another. `tie` is the strongest to one that is a step nearer, whose text is `by`."""

    node: graphs.Node
    text: str
    tie: graphs.Edge
    by: str


@live.door("thundervault")
def around(request: HttpRequest, agent_id: UUID, memory_id: UUID) -> HttpResponse:
    """A memory with what is tied to it, as a list and as a picture; for htmx the list only."""
    agent = _readable(request, agent_id)
    depth = _depth(request)
    graph = _graph(agent_id, memory_id, depth)
    middle = graph.nodes[0]
    context = {
        "agent": agent, "middle": middle, "depth": depth, "depths": DEPTHS, "rings": _rings(graph),
        "names": graphs.named([memory_id])[memory_id], "full": len(graph.nodes) == MOST_PICTURED,
        "kinds": memory.KINDS, "now": timezone.now(),
    }  # fmt: skip
    response = render(request, "parts/around.html" if request.headers.get("HX-Request") else "around.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@live.door("thundervault")
def picture(request: HttpRequest, agent_id: UUID, memory_id: UUID) -> HttpResponse:
    """The same as JSON: `{root, nodes: [{id, depth, content, kind, importance, at}], edges: [{source, target, …}]}`.

    Texts are cut; the edges are the strongest, strongest first, and `ties` says how many there are.
    """
    _readable(request, agent_id)
    found = shown.as_json(_graph(agent_id, memory_id, _depth(request)))
    for node in found["nodes"]:
        node["content"] = _cut(node["content"])
    ties = len(found["edges"])
    return JsonResponse({**found, "edges": found["edges"][:MOST_TIES], "ties": ties})


def _depth(request: HttpRequest) -> int:
    """Raises: Http404."""
    text = request.GET.get("depth", "2")
    if text not in map(str, DEPTHS):
        raise Http404
    return int(text)


def _graph(agent_id: UUID, memory_id: UUID, depth: int) -> graphs.Graph:
    """Raises: Http404 when the agent has no such memory."""
    found = graphs.graph(memory_id, depth, most=MOST_PICTURED, agent_id=agent_id)
    if not found.nodes:
        raise Http404
    return found


def _rings(graph: graphs.Graph) -> list[tuple[int, list[Near]]]:
    """Memories by their distance, the most strongly tied first."""
    nearer = shown.nearer(graph)
    texts = {node.id: node.content for node in graph.nodes}
    rings: dict[int, list[Near]] = {}
    for node in graph.nodes[1:]:
        tie = nearer[node.id]
        other = tie.target_id if tie.source_id == node.id else tie.source_id
        by = "" if node.depth == 1 else _cut(texts[other], 60)
        rings.setdefault(node.depth, []).append(Near(node, _cut(node.content), tie, by))
    return [(depth, sorted(ring, key=lambda near: -near.tie.strength)) for depth, ring in sorted(rings.items())]


def _cut(text: str, longest: int = LONGEST_PICTURED) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


# --- Facts ---------------------------------------------------------------------------------------------------


def held(agent: Any) -> dict[str, Any]:
    """Context of `parts/facts.html`: the first of what the agent holds to be so."""
    found = known.facts(agent.pk, limit=FACTS_SHOWN + 1)
    return {"agent": agent, "facts": found[:FACTS_SHOWN], "more": len(found) > FACTS_SHOWN}


def names(agent: Any) -> Sequence[graphs.Entity]:
    """Who and what is named most in what the agent remembers."""
    return graphs.entities(agent.pk, limit=NAMES_SHOWN)


@live.door("thundervault")
def facts(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """All that an agent holds to be so; with `subject` and `relation`, all that it ever held of these."""
    agent = _readable(request, agent_id)
    subject, relation = (request.GET.get(name, "").replace("\0", "") for name in ("subject", "relation"))
    if max(len(subject), len(relation)) > LONGEST_FACT:
        raise Http404
    context: dict[str, Any] = {"agent": agent, "now": timezone.now(), "whole": True}
    if subject and relation:
        context |= {"facts": known.history(agent_id, subject, relation)[::-1], "subject": subject, "relation": relation}
    else:
        context["facts"] = known.facts(agent_id)
    return render(request, "facts.html", context)

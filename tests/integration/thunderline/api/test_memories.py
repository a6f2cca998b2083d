from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from agents.models import Agent
from memory.graph import actions as graph
from memory.graph import facts
from memory.models import MemoryNode
from tests.integration.thunderline.api.conftest import Api, problem

KNOT = "Bo taught her how to tie a bowline knot."


@pytest.fixture
def address(world: Any) -> str:
    agent = Agent.objects.filter(world=world).first()
    assert agent is not None
    return f"agents/{agent.pk}"


def test_what_is_stored_is_read_listed_and_found(api: Api, address: str) -> None:
    stored = api.post(
        f"{address}/memories", {"content": KNOT, "kind": "semantic", "importance": 0.8, "tags": ["knots"]}
    )
    assert stored.status_code == 201, stored.content
    memory = stored.json()
    assert memory["source"] == {"by": "user:operator"} and memory["tags"] == ["knots"]
    assert api.get(stored["Location"]).json() == memory
    api.post(f"{address}/memories", {"content": "A storm tore the roof off the boathouse."})
    assert [one["content"] for one in api.get(f"{address}/memories?kind=semantic").json()["results"]] == [KNOT]
    found = api.get(f"{address}/memories/search?q=who taught her a knot%3F&limit=1").json()["results"]
    assert [one["content"] for one in found] == [KNOT]
    assert found[0]["score"] == pytest.approx(sum(why["value"] for why in found[0]["why"]), abs=1e-4)
    assert "says the same words" in {why["text"] for why in found[0]["why"]}
    assert api.get(f"{address}/memories/search?q=knot&kind=procedural").json()["results"] == []


def test_the_same_words_again_are_the_same_memory(api: Api, address: str) -> None:
    first = api.post(f"{address}/memories", {"content": KNOT})
    again = api.post(f"{address}/memories", {"content": KNOT})
    assert again.json()["id"] == first.json()["id"] and again.json()["seen_count"] == 2


def test_a_closed_memory_is_found_as_of_earlier(api: Api, address: str) -> None:
    memory = api.post(f"{address}/memories", {"content": KNOT}).json()
    MemoryNode.objects.update(inserted_at=timezone.now() - timedelta(hours=2))
    assert api.delete(f"{address}/memories/{memory['id']}").status_code == 204
    assert api.get(f"{address}/memories/search?q=knot").json()["results"] == []
    earlier = (timezone.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [one["id"] for one in api.get(f"{address}/memories/search?q=knot&as_of={earlier}").json()["results"]] == [
        memory["id"]
    ]
    assert api.get(f"{address}/memories/{memory['id']}").json()["valid_to"] is not None


def test_pages_of_memories(api: Api, address: str) -> None:
    for i in range(5):
        api.post(f"{address}/memories", {"content": f"The tide came in {i} times that day."})
    page, seen = f"{address}/memories?limit=2", []
    while page:
        answer = api.get(page).json()
        seen += [one["content"] for one in answer["results"]]
        page = answer["next"]
    assert seen == [f"The tide came in {i} times that day." for i in (4, 3, 2, 1, 0)]


def test_what_is_around_a_memory(api: Api, address: str) -> None:
    ids = [api.post(f"{address}/memories", {"content": f"{KNOT} {i}"}).json()["id"] for i in range(3)]
    graph.link([graph.NewEdge(UUID(ids[0]), UUID(ids[1]), "causal", 0.9)])
    around = api.get(f"{address}/memories/{ids[0]}/graph?depth=1").json()
    assert around["root"] == ids[0] and [node["depth"] for node in around["nodes"]] == [0, 1]
    assert around["edges"][0]["source"] in ids[:2]


def test_memories_of_others_are_not_there(api: Api, world: Any, address: str) -> None:
    memory = api.post(f"{address}/memories", {"content": KNOT}).json()
    other = Agent.objects.filter(world=world).last()
    assert other is not None and str(other.pk) not in address
    for path in ("", "/graph"):
        problem(api.get(f"agents/{other.pk}/memories/{memory['id']}{path}"), 404, "not_found")
    problem(api.delete(f"agents/{other.pk}/memories/{memory['id']}"), 404, "not_found")
    problem(api.get(f"{address}/memories/{uuid4()}"), 404, "not_found")
    assert MemoryNode.objects.get().valid_to is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": ""}, 400),
        ({"content": "   "}, 422),
        ({"content": "x" * 10_001}, 400),
        ({"content": "a\0b"}, 400),
        ({"content": "ok", "importance": 2}, 400),
        ({"content": "ok", "kind": "dream"}, 400),
        ({"content": "ok", "tags": ["x"] * 51}, 400),
        ({"content": "ok", "valid_from": "yesterday"}, 400),
        ({"content": "ok", "valid_from": "2026-05-31T12:00:00"}, 400),
        ({"content": "ok", "valid_from": "0001-01-01T00:00:00Z"}, 422),
        ({"content": "ok", "valid_from": "2026-05-31T12:00:00Z", "valid_to": "2026-05-30T12:00:00Z"}, 422),
    ],
)
def test_memories_that_are_none(api: Api, address: str, body: Any, status: int) -> None:
    problem(api.post(f"{address}/memories", body), status)
    assert not MemoryNode.objects.exists()


@pytest.mark.parametrize(
    "query", ["", "q=", "q=%00", "q=x&kind=dream", "q=x&limit=101", "q=x&as_of=1", "q=x&as_of=now"]
)
def test_questions_that_are_none(api: Api, address: str, query: str) -> None:
    problem(api.get(f"{address}/memories/search?{query}"), 400, None)


def test_facts_are_listed(api: Api, address: str) -> None:
    agent_id = UUID(address.removeprefix("agents/"))
    facts.learn([facts.NewFact(agent_id, "Bo", "lives in", "the lighthouse")], now=timezone.now())
    (fact,) = api.get(f"{address}/facts?subject=bo").json()["results"]
    assert (fact["subject"], fact["value"], fact["valid_to"]) == ("Bo", "the lighthouse", None)
    assert api.get(f"{address}/facts?subject=Ada").json()["results"] == []


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"content": " \n "}, 422, "content: 1 to 10,000 characters, and not only white space"),
        ({"content": "x", "valid_to": "2020-01-01T00:00:00Z"}, 422, "valid_to: it must be after valid_from"),
        ({"content": "x" * 10_001}, 400, "content"),
        ({"content": "x", "importance": 1.1}, 400, "importance"),
        ({"content": "x", "tags": ["t"] * 51}, 400, "tags"),
        ({"content": "x", "kind": "imagined"}, 400, "kind"),
    ],
)
def test_what_cannot_be_remembered_is_refused_with_the_reason(
    api: Api, address: str, given: dict[str, Any], status: int, says: str
) -> None:
    refused = api.post(f"{address}/memories", given)
    assert refused.status_code == status
    assert says in refused.content.decode()
    assert not MemoryNode.objects.exists()

"""What `manage.py memory graph` prints."""

import io
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from memory.graph import facts
from memory.graph.facts import NewFact
from tests.factories.worlds import make_world
from tests.integration.memory.graph.making import NOW, link_all, make_agents, remember, tie

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> UUID:
    return make_agents(1)[0]


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("memory", "graph", *arguments, stdout=out)
    return out.getvalue()


def data(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def test_a_tree_around_a_memory(ada: UUID) -> None:
    a, b, c = remember(ada, "It [rained].", "It snowed.", "It hailed.")
    tie((a, b), (b, c))
    assert said(str(a)) == ("It [rained].\n└─ conceptual 0.50 → It snowed.\n   └─ conceptual 0.50 → It hailed.\n")
    assert said(str(a), "--depth", "1").count("\n") == 2
    found = data(str(b), "--limit", "2")
    assert found["root"] == str(b)
    assert (len(found["nodes"]), len(found["edges"])) == (2, 1)


def test_ways_between_two(ada: UUID) -> None:
    a, b, c = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie((a, b))
    assert said(str(a), "--to", str(b)) == "1. 1 edges, strength 0.500\n   It rained.\n   It snowed.\n"
    assert data(str(a), "--to", str(b))["paths"] == [{"strength": 0.5, "memories": [str(a), str(b)]}]
    assert said(str(a), "--to", str(c)) == "No way leads from one to the other.\n"


def test_who_an_agents_memories_name(ada: UUID) -> None:
    remember(ada, "Then Ann met Bo.", "Then Ann left.")
    link_all()
    assert said("Agent 0").split("\n")[1].split() == ["Ann", "thing", "ann", "2"]
    assert [one["name"] for one in data(str(ada))] == ["Ann", "Bo"]
    assert [one["content"] for one in data("Agent 0", "--entity", "ANN")] == ["Then Ann left.", "Then Ann met Bo."]
    assert "Then Ann left." in said("Agent 0", "--entity", "Ann")
    with pytest.raises(CommandError, match="nobody and nothing called 'Cy'"):
        said("Agent 0", "--entity", "Cy")


def test_facts_and_as_of(ada: UUID) -> None:
    with transaction.atomic():
        facts.learn([NewFact(ada, "Ann", "lives in", "Rome")], now=NOW)
    assert [one["value"] for one in data("Agent 0", "--facts")] == ["Rome"]
    assert said("Agent 0", "--as-of", "2026-01-01T00:00:00Z") == "Nothing.\n"
    assert "Rome" in said("Agent 0", "--as-of", "2026-05-02")


def test_what_is_not_there_is_said(ada: UUID) -> None:
    with pytest.raises(CommandError, match="there is no agent 'Nobody'"):
        said("Nobody")
    with pytest.raises(CommandError, match="there is no agent"):
        said(str(uuid4()))
    make_world("Another", agents=1)
    with pytest.raises(CommandError, match="several worlds"):
        said("Agent 0")
    assert said("Agent 0", "--world", "Another") == "Nothing.\n"
    with pytest.raises(CommandError, match="as-of"):
        said("Agent 0", "--as-of", "yesterday")

"""Who is named in memories, and facts, go with a memory file and come in again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from memory import exchange, owners
from memory.actions import NewMemory, store_many
from memory.exchange import BadMemoryFile
from memory.graph import actions as graph
from memory.graph import facts
from memory.graph.facts import NewFact
from memory.graph.names import PERSON, Name
from memory.models import MemoryEntity, MemoryFact, MemoryMention, MemoryNode
from tests.factories import make_world

pytestmark = pytest.mark.django_db

MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def pair() -> list[Agent]:
    world = make_world(agents=2)
    first, second = Agent.objects.filter(world=world).order_by("ordinal")
    memories = [
        NewMemory(first.pk, "Ann Lee baked bread."),
        NewMemory(first.pk, "It rained."),
        NewMemory(first.pk, "x y"),
    ]
    with transaction.atomic():
        store_many(memories)
        graph.name({memories[0].id: [Name("Ann Lee", PERSON)], memories[2].id: [Name("Ann Lee", PERSON)]})
        facts.learn(
            [
                NewFact(first.pk, "Ann Lee", "lives in", "Leeds", memories[0].id, MAY),
                NewFact(first.pk, "Ann Lee", "lives in", "York", None, MAY + timedelta(days=9)),
                NewFact(first.pk, "Bo", "likes", "bread", None, MAY, MAY + timedelta(days=1)),
            ],
            now=timezone.now(),
        )
    return [first, second]


def lines(agent: Agent) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exchange.export(owners.agent(str(agent.pk)), now=timezone.now())]


def bring(agent: Agent, data: list[dict[str, Any]]) -> exchange.Brought:
    return exchange.bring(owners.agent(str(agent.pk)), [json.dumps(line).encode() for line in data])


def known(agent: Agent) -> tuple[Any, ...]:
    mentions = MemoryMention.objects.filter(entity__agent=agent).values_list("entity__name", "memory__content")
    held = MemoryFact.objects.filter(agent=agent).values_list(
        "subject", "relation", "value", "memory__content", "valid_from", "valid_to"
    )
    return sorted(mentions), sorted(held, key=str), MemoryEntity.objects.filter(agent=agent).count()


def test_names_and_facts_come_in_with_the_memories_that_they_are_from(pair: list[Agent]) -> None:
    data = lines(pair[0])
    assert (data[0]["memories"], data[0]["entities"], data[0]["facts"]) == (3, 1, 3)
    brought = bring(pair[1], data)
    assert (brought.new, brought.mentions, brought.facts) == (3, 2, 3)
    assert known(pair[1]) == known(pair[0])
    assert known(pair[0])[0] == [("Ann Lee", "Ann Lee baked bread."), ("Ann Lee", "x y")]
    again = bring(pair[1], data)
    assert (again.mentions, known(pair[1])) == (0, known(pair[0]))


def test_what_merges_into_a_memory_that_is_there_ties_that_one(pair: list[Agent]) -> None:
    with transaction.atomic():
        store_many([NewMemory(pair[1].pk, "Ann  lee baked bread.")])
    bring(pair[1], lines(pair[0]))
    assert MemoryNode.objects.filter(agent=pair[1]).count() == 3
    assert {text for _, text in known(pair[1])[0]} == {"Ann  lee baked bread.", "x y"}


def test_other_forms_of_a_name_come_along(pair: list[Agent]) -> None:
    data = lines(pair[0])
    entity = next(line for line in data if line.get("what") == "entity")
    entity["aliases"].append("the baker's wife")
    entity["aliases"].append("annie")
    bring(pair[1], data)
    found = MemoryEntity.objects.get(agent=pair[1])
    assert set(found.aliases.values_list("alias", flat=True)) == {"ann lee", "annie"}, "one was in no form to compare"


def test_a_file_without_them_is_read_as_before(pair: list[Agent]) -> None:
    data = [line for line in lines(pair[0]) if "what" not in line]
    del data[0]["entities"], data[0]["facts"]
    assert bring(pair[1], data).new == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"what": "entity", "name": "Ann", "kind": "ghost"}, "line 5: kind"),
        ({"what": "entity", "name": "A\0n", "kind": "person"}, "line 5: name"),
        ({"what": "entity", "name": "--", "kind": "person", "memories": ["{first}"]}, "line 5: a name has"),
        ({"what": "fact", "subject": "A", "relation": " ", "value": "x", "valid_from": "2026-05-01T00:00Z"}, "relat"),
        ({"what": "fact", "subject": "A", "relation": "is", "value": "x", "valid_from": "May"}, "valid_from"),
        ({"what": "fact", "subject": "A", "relation": "is", "value": "x", "valid_from": "2026-05-02T00:00Z",
          "valid_to": "2026-05-01T00:00Z"}, "valid_to"),
        ({"what": "rumour"}, "line 5"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_comes_in(pair: list[Agent], line: dict[str, Any], problem: str) -> None:
    data = lines(pair[0])[:4]
    if line.get("memories"):
        line = {**line, "memories": [data[1]["id"]]}
    with pytest.raises(BadMemoryFile, match=problem):
        bring(pair[1], [*data, line])
    assert not MemoryNode.objects.filter(agent=pair[1]).exists()

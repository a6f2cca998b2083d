"""Searching the memories of all agents at once: exact as long as there are few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from pgvector import HalfVector

from memory import actions, queries
from memory.across.queries import NoVector
from memory.actions import NewMemory
from memory.errors import InvalidQuestion
from memory.models import MemoryNode
from tests.conftest import CountQueries
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def harbour() -> Any:
    return make_world(agents=2)


@pytest.fixture
def other() -> Any:
    return make_world("Other", agents=1)


def agents_of(world: Any) -> list[UUID]:
    return list(world.agents.order_by("ordinal").values_list("pk", flat=True))


def contents(text: str = "bread", **filters: Any) -> list[str]:
    return [each.content for each in queries.search_all(text, **filters)]


def test_memories_of_everybody_are_found_nearest_first_and_name_their_agent(harbour: Any, other: Any) -> None:
    ada, bo = agents_of(harbour)
    (cy,) = agents_of(other)
    said = "The market had fresh bread in the morning."
    *_, mute = actions.store_many([
        NewMemory(ada, "A storm tore the roof off the boathouse."), NewMemory(bo, said, tags=("food",)),
        NewMemory(cy, "She baked bread."), NewMemory(ada, "?!"),
    ])  # fmt: skip
    MemoryNode.objects.filter(pk=mute).update(embedding=HalfVector([0] * 256))  # of a text without words
    found = queries.search_all("fresh bread from the market")
    assert [each.content for each in found] == [said, "She baked bread.", "A storm tore the roof off the boathouse."]
    assert [(each.agent, each.world, each.agent_id) for each in found[:2]] == [
        ("Agent 1", "Harbour", bo), ("Agent 0", "Other", cy),
    ]  # fmt: skip
    assert found[0].tags == ["food"]
    assert 1 >= found[0].score > found[1].score > found[2].score
    alone = queries.search(bo, "fresh bread from the market")[0]
    assert (found[0].id, found[0].inserted_at) == (alone.id, alone.inserted_at)
    assert queries.search_all("fresh bread from the market", exact=True) == found
    assert queries.search_all("fresh bread from the market", limit=1) == found[:1]


def test_filters(harbour: Any, other: Any) -> None:
    ada, bo = agents_of(harbour)
    (cy,) = agents_of(other)
    actions.store_many([
        NewMemory(ada, "bread one", kind="semantic", tags=("a", "b")), NewMemory(bo, "bread two", tags=("b",)),
        NewMemory(cy, "bread three", kind="emotional"),
    ])  # fmt: skip
    assert set(contents()) == {"bread one", "bread two", "bread three"}
    assert set(contents(world_id=harbour.pk)) == {"bread one", "bread two"}
    assert contents(agents=[cy]) == ["bread three"]
    assert contents(agents={ada, cy}, world_id=harbour.pk) == ["bread one"]
    assert contents(agents=[cy], world_id=harbour.pk) == contents(agents=[]) == contents(world_id=uuid4()) == []
    assert set(contents(kinds=["semantic", "emotional"])) == {"bread one", "bread three"}
    assert contents(kinds=[]) == []
    assert set(contents(tags=["b"])) == {"bread one", "bread two"}
    assert contents(tags=["b", "a"]) == ["bread one"]
    assert contents(tags=["c"]) == []
    assert len(contents(tags=[])) == 3


def test_what_held_then(harbour: Any) -> None:
    ada, bo = agents_of(harbour)
    may = datetime(2026, 5, 1, tzinfo=UTC)
    actions.store_many([
        NewMemory(ada, "bread was dear", at=may, valid_to=may + timedelta(days=9)), NewMemory(bo, "bread is cheap"),
    ])  # fmt: skip
    assert contents() == ["bread is cheap"]
    assert contents(as_of=may + timedelta(days=8)) == ["bread was dear"]
    assert contents(as_of=may + timedelta(days=9)) == contents(as_of=may - timedelta(days=1)) == []
    actions.close(bo, [queries.search_all("bread")[0].id], at=timezone.now())
    assert contents() == []


def test_models_never_mix_and_what_has_no_vector_is_not_found(harbour: Any, settings: Any) -> None:
    ada, _ = agents_of(harbour)
    settings.EMBEDDER = {"kind": "local", "dimensions": 64}
    actions.store(ada, "bread of sixty-four")
    settings.EMBEDDER = {"kind": "local", "dimensions": None}
    actions.store(ada, "bread of two hundred and fifty-six")
    waits = actions.store(ada, "bread that waits")
    MemoryNode.objects.filter(pk=waits).update(embedding=None, embedder="")
    assert contents() == contents(exact=True) == ["bread of two hundred and fifty-six"]


def test_a_question_without_words_finds_nothing(harbour: Any) -> None:
    actions.store(agents_of(harbour)[0], "bread")
    assert contents("—") == contents("—", exact=True)
    assert all(-1 <= each.score <= 1 for each in queries.search_all("…"))


@pytest.mark.parametrize(
    ("text", "filters", "says"),
    [
        (" \n", {}, "1 to 10,000 characters"),
        ("x" * 10_001, {}, "1 to 10,000 characters"),
        ("x", {"limit": 0}, "limit: 1 to 1,000"),
        ("x", {"limit": 1001}, "limit: 1 to 1,000"),
        ("x", {"kinds": ["semantic", "odd"]}, "kinds: 'odd' is none of episodic, "),
        ("x", {"tags": [""]}, "tags: each is a text"),
        ("x", {"tags": ["a\0"]}, "no NUL"),
        ("x\ud800", {}, "no lone surrogates"),
        ("x", {"as_of": datetime(2026, 1, 1)}, "as_of needs a time zone"),
    ],
)
def test_what_cannot_be_asked_is_told(db: None, text: str, filters: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidQuestion, match=says) as refusal:
        queries.search_all(text, **filters)
    assert refusal.value.code == "invalid_question"


def test_without_a_vector_of_the_question_it_says_so(harbour: Any, settings: Any) -> None:
    url = "http://127.0.0.1:9/v1"  # nobody is asked within a transaction
    settings.EMBEDDER = {"kind": "openai", "url": url, "key": "k", "model": "m", "dimensions": 96}
    with transaction.atomic(), pytest.raises(NoVector, match="search the memories of one agent"):
        queries.search_all("bread")


def test_it_takes_two_statements_without_an_index_however_many_there_are(
    harbour: Any, count_queries: CountQueries
) -> None:
    agents = agents_of(harbour)
    for _ in range(2):
        actions.store_many([NewMemory(agents[n % 2], f"bread {uuid4()}") for n in range(20)])
        with count_queries() as statements:
            assert len(contents(limit=20)) == 20
        assert len([each for each in statements if "pg_type" not in each]) == 2
        with count_queries() as statements:
            contents(world_id=harbour.pk)
        assert len(statements) == 3


def test_the_settings_of_the_scan_end_with_its_transaction(transactional_db: None) -> None:
    from domains import sql

    before = sql.fetch_rows("SHOW ivfflat.probes") if _loaded() else [("1",)]
    queries.search_all("bread")
    assert sql.fetch_rows("SHOW ivfflat.probes") == before


def _loaded() -> bool:
    from domains import sql

    return bool(sql.fetch_rows("SELECT 1 FROM pg_settings WHERE name = 'ivfflat.probes'"))

"""How well memories serve: what the figures say, how they are kept, and that reading them looks at no memory."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from memory import actions, queries
from memory.actions import NewMemory, Recall
from memory.health import counting, upkeep
from memory.health.counting import repeated
from memory.models import MemoryHealth, MemoryNode, WorldMemoryHealth
from tests.conftest import CountQueries
from tests.factories.worlds import make_world
from tests.integration.memory.graph.making import link_all
from tests.integration.memory.upkeep.living import care

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def world() -> Any:
    return make_world(agents=3)


@pytest.fixture
def ada(world: Any) -> UUID:
    """Ten stores: two merge, one all but repeats another, two are weighty; three recalls, two of them hits."""
    agent_id: UUID = world.agents.order_by("ordinal").first().pk
    texts = ["The ferry left at dawn.", "The ferry left at dawn!!", "Bread was short.", "Ben mended the net."]
    plain = [
        NewMemory(agent_id, text, importance=0.3) for text in [*texts, "The ferry left at dawn.", "Bread was short"]
    ]
    moving = [NewMemory(agent_id, "The bell fell.", importance=0.9), NewMemory(agent_id, "A quarrel.", valence=-0.8)]
    with transaction.atomic():
        actions.store_many([*plain, *moving, NewMemory(agent_id, "Fog.", importance=0.3), NewMemory(agent_id, "Rain.")])
        known = dict(MemoryNode.objects.filter(agent_id=agent_id).values_list("content", "pk"))
        actions.recalled(
            [Recall(agent_id, (known["Fog."],)), Recall(agent_id, (known["Rain."],)), Recall(agent_id, ())], now=NOW
        )
    return agent_id


def test_the_figures_of_an_agent(ada: UUID) -> None:
    found = queries.health(ada, live_at=NOW)
    assert (found.memories, found.stored, found.merged) == (8, 10, 2)
    assert found.junk == 4, "the ferry twice, bread and Ben: neither recalled nor weighty nor moving"
    assert found.near_duplicates == 1
    assert (found.recalls, found.hits) == (3, 2)
    assert (found.junk_rate, found.duplicate_rate, found.hit_rate) == (0.5, 0.3, 0.6667)
    assert found.refreshed_at == NOW
    assert not MemoryHealth.objects.exists(), "looking writes nothing"


def test_nothing_counted_has_no_rates(world: Any) -> None:
    empty = queries.health(world.agents.first().pk)
    assert (empty.junk_rate, empty.duplicate_rate, empty.hit_rate, empty.refreshed_at) == (None, None, None, None)
    assert queries.health(world_id=world.pk).memories == queries.health().memories == 0
    assert queries.health_by_world() == {}


def test_upkeep_keeps_them_of_agents_and_worlds(world: Any, ada: UUID) -> None:
    other = make_world("Other", agents=1)
    bo = other.agents.get().pk
    actions.store_many([NewMemory(bo, "One thing.", importance=0.3)])
    assert upkeep.refresh(now=NOW, seconds=60) == upkeep.Done(4)
    assert queries.health(ada) == queries.health(ada, live_at=NOW)
    assert queries.health(bo).junk_rate == 1.0
    of_world = queries.health(world_id=world.pk)
    assert (of_world.memories, of_world.recalls, of_world.refreshed_at) == (8, 3, NOW)
    assert queries.health().memories == 9
    assert {name: one.memories for name, one in queries.health_by_world().items()} == {"Harbour": 8, "Other": 1}
    assert list(queries.health_by_world(limit=1)) == ["Harbour"]
    # It is not counted again before it is time to, and then it is.
    actions.recalled([Recall(ada, ())], now=NOW)
    assert upkeep.refresh(now=NOW + timedelta(minutes=1), seconds=60).agents == 0
    assert queries.health(ada).recalls == 3
    assert upkeep.refresh(now=LATER, seconds=60).agents == 4
    assert queries.health(world_id=world.pk).recalls == 4


def test_it_goes_round_and_stops_when_its_time_is_up(world: Any, ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 1)
    upkeep.refresh(now=NOW, seconds=60)
    for n in range(3):
        done = upkeep.refresh(now=LATER + timedelta(seconds=n), seconds=0)
        assert done == upkeep.Done(1, more=True)
    ages = sorted(MemoryHealth.objects.values_list("refreshed_at", flat=True))
    assert ages == [LATER + timedelta(seconds=n) for n in range(3)]
    assert queries.health(world_id=world.pk).refreshed_at == ages[0], "as old as the oldest"


def test_who_is_gone_is_forgotten(world: Any, ada: UUID) -> None:
    upkeep.refresh(now=NOW, seconds=60)
    world.agents.all().delete()
    assert not MemoryHealth.objects.exists()
    make_world("Other", agents=1)
    upkeep.refresh(now=LATER, seconds=60)
    assert list(queries.health_by_world()) == ["Other"]
    assert WorldMemoryHealth.objects.count() == 1


def test_a_batch_costs_the_same_few_statements(count_queries: CountQueries) -> None:
    seen = []
    for n in (2, 15):
        world = make_world(f"World {n}", agents=n)
        for agent in world.agents.all():
            actions.store_many([NewMemory(agent.pk, f"number {i}") for i in range(n)])
        with count_queries() as statements:
            upkeep.refresh(now=NOW, seconds=60)
        seen.append(len(statements))
    assert seen[0] == seen[1]


def test_reading_looks_at_no_memory(ada: UUID, world: Any, count_queries: CountQueries) -> None:
    upkeep.refresh(now=NOW, seconds=60)
    for read in (
        lambda: queries.health(ada),
        lambda: queries.health(world_id=world.pk),
        queries.health,
        queries.health_by_world,
    ):
        with count_queries() as statements:
            read()
        assert len(statements) == 1
        assert "memory_nodes" not in statements[0]


def test_repetitions_are_those_after_the_first() -> None:
    assert repeated(["a", "b", "c"]) == 0
    assert repeated(["a", "b", "a"]) == pytest.approx(1 / 3)
    assert repeated(["a", "a", "a"]) == pytest.approx(2 / 3)


def test_near_duplicates_are_what_upkeep_merges(ada: UUID) -> None:
    with transaction.atomic():
        actions.store_many([
            NewMemory(ada, "The ferry did not leave at dawn.", importance=0.3),
            NewMemory(ada, "A ferry left at dawn.", kind="semantic", importance=0.3),
        ])  # fmt: skip
    assert queries.health(ada, live_at=NOW).near_duplicates == 1
    link_all()
    merged = care(ada).merged
    found = queries.health(ada, live_at=NOW)
    assert (merged, found.near_duplicates, found.merged) == (1, 0, 3)


def test_of_many_memories_the_newest_speak_for_all(ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LOOKED_AT", 4)
    assert queries.health(ada, live_at=NOW).near_duplicates == 0


def stats(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("memory", "stats", *words, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())["health"]
    return found


def test_the_command_shows_them(ada: UUID) -> None:
    assert stats("Agent 0")["junk_rate"] == 0.5
    assert stats("--world", "Harbour")["refreshed_at"] is None
    upkeep.refresh(now=NOW, seconds=60)
    assert stats("--world", "Harbour")["hit_rate"] == 0.6667
    assert stats()["recalls"] == 3
    out = io.StringIO()
    call_command("memory", "stats", "Agent 0", stdout=out)
    assert "junk rate" in out.getvalue()
    assert "50.0%" in out.getvalue()


def test_metrics_tell_them_of_each_world(ada: UUID, client: Client) -> None:
    upkeep.refresh(now=NOW, seconds=60)
    told = {
        family.name: {sample.labels["world"]: sample.value for sample in family.samples}
        for family in text_string_to_metric_families(client.get("/metrics").content.decode())
        if family.name.startswith("thunderline_memory_") and family.samples and "world" in family.samples[0].labels
    }
    assert told["thunderline_memory_junk_rate"] == {"Harbour": 0.5}
    assert told["thunderline_memory_duplicate_rate"] == {"Harbour": 0.3}
    assert told["thunderline_memory_hit_rate"] == {"Harbour": pytest.approx(0.6667)}
    assert told["thunderline_memory_memories"] == {"Harbour": 8}
    assert told["thunderline_memory_health_age_seconds"].keys() == {"Harbour"}


def test_the_admin_shows_them(ada: UUID, world: Any, as_operator: Client) -> None:
    upkeep.refresh(now=NOW, seconds=60)
    listed = reverse("admin:memory_memoryhealth_changelist")
    assert "Agent 0" in as_operator.get(listed, {"worst": "duplicates"}).content.decode()
    assert "Agent 0" not in as_operator.get(listed, {"worst": "junk"}).content.decode()
    for order in ("2", "-3", "4"):
        assert as_operator.get(listed, {"o": order}).status_code == 200
    for name, key in (("agents_agent", ada), ("zones_world", world.pk)):
        page = as_operator.get(reverse(f"admin:{name}_change", args=[key])).content.decode()
        assert "67%" in page, name
    assert as_operator.get(reverse("admin:zones_world_add")).status_code == 200

"""What models conclude: in their words, upon what was in mind; and what was recalled for them counts."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from agents.models import Agent
from memory.actions import NewMemory, store_many
from memory.models import MemoryEdge, MemoryNode, MemoryRecall
from tests import model_server as manners
from tests.integration.agents.living import make_world
from tests.integration.agents.minds.thinking import due, endpoint, think, thinker
from tests.model_server import ModelServer, model_server
from tests.tables import commits

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

MIND = [[0, "Mara talked with Ben about old debts.", 0.5, 0.5], [0, "A walk by the sea.", 0.4, 0.1]]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def mara_in(model: ModelServer) -> Agent:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone)
    with transaction.atomic():
        store_many([NewMemory(mara.pk, text, "episodic", weight, felt) for _, text, weight, felt in MIND])
    Agent.objects.filter(pk=mara.pk).update(working_memory=MIND, current_focus="old debts")
    due(zone.world)
    return mara


def test_a_model_s_insight_is_stored_in_its_words_with_evidence(model: ModelServer) -> None:
    model.behaviour = manners.deciding(action="reflect", remember="Ben is good company.")
    mara = mara_in(model)
    think()
    insight = MemoryNode.objects.get(agent=mara, content="Ben is good company.")
    assert (insight.kind, insight.source["insight"]) == ("semantic", "company")
    edges = MemoryEdge.objects.filter(source=insight, relation="causal").select_related("target")
    assert MIND[0][1] in {edge.target.content for edge in edges}
    mind: list[Any] = Agent.objects.get(pk=mara.pk).working_memory
    assert mind[-1][4] == "company"


def test_what_a_model_was_reminded_of_is_no_insight(model: ModelServer) -> None:
    model.behaviour = manners.deciding(action="reflect", remember=MIND[0][1])
    mara = mara_in(model)
    think()
    assert MemoryNode.objects.filter(agent=mara).count() == 2
    assert not MemoryEdge.objects.exists()


def test_what_is_put_into_a_question_was_recalled(model: ModelServer) -> None:
    model.behaviour = manners.deciding(action="rest")
    mara = mara_in(model)
    think()
    recall = MemoryRecall.objects.get(agent=mara)
    assert (recall.recalls, recall.hits) == (1, 1)
    assert MemoryNode.objects.get(agent=mara, content=MIND[0][1]).access_count == 1

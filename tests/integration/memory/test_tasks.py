"""The vault's heartbeat: memories that wait are embedded, on a queue of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import transaction

from domains import queue
from domains.lifecycle import Tick
from memory import actions, embedders, tasks
from memory.actions import NewMemory
from memory.actions.upkeep import waiting
from memory.embedders import embedder
from memory.upkeep import stints
from tests.embedding_server import EmbeddingServer, embedding_server
from tests.factories.worlds import make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture
def server(settings: Any) -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        settings.EMBEDDER = {"kind": "openai", "url": running.base_url, "key": "k", "model": "m", "dimensions": 96}
        made = embedder()
        yield running
        made.close()  # type: ignore[attr-defined]
        embedders._made.cache_clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    queue._redis().delete("upkeep")  # what heartbeats of other tests have woken
    for task in (tasks.embed_waiting, tasks.look_after):
        monkeypatch.setattr(
            task, "apply_async", lambda *_, name=task.name, **options: messages.append({"task": name, **options})
        )
    return messages


def beat() -> None:
    apps.get_app_config("memory").on_tick(Tick(1, datetime.now(UTC)))


def store(count: int = 3) -> None:
    agent_id = make_world(agents=1).agents.get().pk
    with transaction.atomic():
        actions.store_many([NewMemory(agent_id, f"number {n}") for n in range(count)])


def test_a_heartbeat_wakes_the_upkeep_when_memories_wait(
    server: EmbeddingServer, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat()
    assert sent == [], "there is nothing to do"
    store()
    beat()
    assert sent == [
        {"task": "memory.embed_waiting", "expires": tasks.EXPIRES_S},
        {"task": "memory.look_after", "expires": tasks.CARE_EXPIRES_S},
    ]
    monkeypatch.setattr(queue, "waiting", lambda name: 1 if name == "upkeep" else 0)
    beat()
    assert len(sent) == 2, "it has been woken already"
    assert not server.asked, "a heartbeat asks nobody itself"


def test_the_task_embeds_what_waits_while_the_domain_is_active(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store()
    tasks.embed_waiting()
    assert waiting(), "the domain is not active"
    monkeypatch.setattr("domains.thunderblock.guards.require", lambda name: None)
    tasks.embed_waiting(argument_of_a_later_version=1)
    assert not waiting()


def test_agents_are_looked_after_while_the_domain_is_active(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store()
    beat()
    assert [one["task"] for one in sent] == ["memory.look_after"], "nothing waits to be embedded"
    tasks.look_after()
    assert stints.waiting(), "the domain is not active"
    monkeypatch.setattr("domains.thunderblock.guards.require", lambda name: None)
    tasks.look_after(argument_of_a_later_version=1)
    assert not stints.waiting()
    beat()
    assert len(sent) == 1


def test_it_has_a_queue_of_its_own() -> None:
    assert django_settings.CELERY_TASK_ROUTES["memory.*"]["queue"] == "upkeep"
    assert all(task.name.startswith("memory.") for task in (tasks.embed_waiting, tasks.look_after))
    assert "upkeep" in {queue.name for queue in django_settings.CELERY_TASK_QUEUES}

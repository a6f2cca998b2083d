"""What /health tells whom, and that it answers soon when PostgreSQL or Redis does not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from domains.thunderblock.models import ActiveDomain
from domains.thunderlink.models import Heart
from tests.conftest import CountQueries
from tests.factories import beat, wake_domains
from thunderline import health

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

TOKEN = "a token of some length"


@pytest.fixture
def alive(commits: None) -> None:
    wake_domains()
    for _ in range(3):
        beat()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def token(settings: Any) -> dict[str, str]:
    settings.CONFIG = settings.CONFIG.model_copy(update={"metrics_token": TOKEN})
    return {"Authorization": f"Bearer {TOKEN}"}


def point_database_at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Send connections that are made from now on elsewhere; those that are open stay."""
    where = connections["default"].settings_dict
    monkeypatch.setitem(where, "HOST", "127.0.0.1")
    monkeypatch.setitem(where, "PORT", str(port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_strangers_learn_only_whether_all_is_well(alive: None, client: Client) -> None:
    response = client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_who_is_signed_in_and_not_staff_is_a_stranger(alive: None, client: Client, member: Any) -> None:
    client.force_login(member)
    assert client.get("/health").json() == {"status": "ok"}


def test_staff_see_every_part(alive: None, as_operator: Client) -> None:
    body = as_operator.get("/health").json()
    assert body["parts"].keys() == {"database", "redis", "heartbeat", "domains", "workers", "minds", "disk"}
    for part in body["parts"].values():
        assert part["state"] == "ok"
        assert 0 <= part["latency_ms"] < 2000
    assert body["parts"]["heartbeat"]["tick"] == 3
    assert body["parts"]["workers"]["heartbeats_behind"] == 0


def test_the_token_shows_every_part(alive: None, client: Client, token: dict[str, str]) -> None:
    assert "parts" in client.get("/health", headers=token).json()
    assert "parts" not in client.get("/health", headers={"Authorization": "Bearer another"}).json()


def test_a_silent_heart_is_down(alive: None, as_operator: Client) -> None:
    Heart.objects.update(beat_at=timezone.now() - timedelta(seconds=6))
    response = as_operator.get("/health")
    assert response.status_code == 503
    assert response.json()["status"] == response.json()["parts"]["heartbeat"]["state"] == "down"


def test_a_heart_that_never_beat_is_down(client: Client) -> None:
    assert client.get("/health").status_code == 503


def test_a_crashed_domain_degrades(alive: None, as_operator: Client) -> None:
    ActiveDomain.objects.filter(domain_name="thundergrid").update(status="crashed", reason="of a test")
    response = as_operator.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["parts"]["domains"]["faults"] == {"thundergrid": "crashed: of a test"}


def test_workers_that_acknowledge_nothing_are_noticed(alive: None, as_operator: Client) -> None:
    Heart.objects.update(tick_number=3 + health.WORKERS_LATE_AFTER + 1)
    body = as_operator.get("/health").json()
    assert body["parts"]["workers"] | {"latency_ms": 0} == {"state": "down", "latency_ms": 0, "heartbeats_behind": 6}
    assert body["status"] == "degraded"


@pytest.mark.parametrize("cookies", [False, True])
def test_a_database_that_is_away_is_told_without_asking_it_who_asks(
    alive: None, client: Client, operator: Any, cookies: bool, monkeypatch: pytest.MonkeyPatch,
    count_queries: CountQueries,
) -> None:  # fmt: skip
    if cookies:
        client.force_login(operator)
    point_database_at(monkeypatch, closed_port())
    with count_queries() as statements:
        response = client.get("/health")
    assert (response.status_code, response.json()) == (503, {"status": "down"})
    assert statements == []


def test_with_the_token_the_reason_is_told(
    alive: None, client: Client, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    point_database_at(monkeypatch, closed_port())
    parts = client.get("/health", headers=token).json()["parts"]
    assert parts["database"]["state"] == "down"
    assert "refused" in parts["database"]["reason"]
    assert parts["redis"]["state"] == "ok"


def test_a_database_that_never_answers_holds_nothing_up(
    alive: None, client: Client, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_database_at(monkeypatch, silent_port)
    started = time.monotonic()
    assert client.get("/health").status_code == 503
    assert time.monotonic() - started < health.TIMEOUT_S + 1


def test_a_redis_that_is_away_or_never_answers_is_down(
    alive: None, client: Client, silent_port: int, settings: Any
) -> None:
    for port in (closed_port(), silent_port):
        settings.REDIS_URL = f"redis://127.0.0.1:{port}"
        started = time.monotonic()
        response = client.get("/health")
        assert (response.status_code, response.json()) == (503, {"status": "down"})
        assert time.monotonic() - started < health.TIMEOUT_S + 1

"""A disk that runs low is told early, and worlds stand still before it is full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import F
from django.test import Client
from django.utils import timezone

from domains.lifecycle import Tick, domain
from domains.thunderblock import actions, disk, queries
from domains.thunderblock.disk import Thresholds, level
from domains.thunderblock.models import ActiveDomain, Disk
from domains.thunderflow import queries as log
from tests.factories import beat, make_world, wake_domains
from thunderline.metrics import exposition
from zones.models import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

GB = 1_000_000_000
USUAL = Thresholds(10, 2000, 5, 1000)


@dataclass(frozen=True)
class Room:
    """What `shutil.disk_usage` would say."""

    total: int
    free: int


def look(free_gb: float, total_gb: float = 15) -> None:
    room = Room(int(total_gb * GB), int(free_gb * GB))
    assert disk.look(Path("/nowhere"), now=timezone.now(), usage=lambda where: room) is not None


def told() -> list[tuple[str, str, str]]:
    events = [event for event in log.read_stream("system", after=0) if event.topic.startswith("system.disk")]
    return [(event.topic, event.payload["was"], event.payload["level"]) for event in events]


@pytest.mark.parametrize(
    ("total", "free", "expected"),
    [
        (15, 2.1, "ok"),
        (15, 1.9, "low"),  # by gigabytes
        (15, 0.9, "critical"),
        (100, 9.9, "low"),  # by percentage
        (100, 10.1, "ok"),
        (100, 4.9, "critical"),
        (4000, 100, "ok"),  # 2.5 %, and plenty
        (4000, 19, "low"),
        (4000, 9, "critical"),
        (1, 0.5, "critical"),
    ],
)
def test_levels(total: float, free: float, expected: str) -> None:
    assert level(Room(int(total * GB), int(free * GB)), USUAL) == expected


@pytest.mark.parametrize(
    ("was", "free", "expected"),
    [
        ("low", 2.1, "low"),
        ("low", 2.3, "ok"),
        ("critical", 1.05, "critical"),
        ("critical", 1.2, "low"),
        ("critical", 2.1, "low"),
        ("critical", 2.3, "ok"),
        ("ok", 2.1, "ok"),
    ],
)
def test_a_level_is_left_only_with_some_room_to_spare(was: str, free: float, expected: str) -> None:
    assert level(Room(15 * GB, int(free * GB)), USUAL, was) == expected


def test_each_change_of_level_is_told_once() -> None:
    for free in (9, 1.5, 1.5, 0.5, 0.5, 9):
        look(free)
    assert told() == [
        ("system.disk_low", "ok", "low"),
        ("system.disk_low", "low", "critical"),
        ("system.disk_ok", "critical", "ok"),
    ]


def test_a_disk_elsewhere_is_not_known() -> None:
    look(0.5)
    assert disk.look(None, now=timezone.now()) is None
    assert (queries.disk(), queries.waits()) == (None, "")


def test_the_folder_is_known_of_an_embedded_database_only(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"database_url": None})
    assert disk.folder() == settings.VAR_DIR
    settings.CONFIG = settings.CONFIG.model_copy(update={"database_url": "postgresql://db/thunderline"})
    assert disk.folder() is None


def test_the_real_disk_can_be_looked_at(tmp_path: Path) -> None:
    found = disk.look(tmp_path, now=timezone.now())
    assert found is not None
    assert 0 < found.free_bytes < found.total_bytes


def test_a_look_of_long_ago_says_nothing() -> None:
    look(0.5)
    assert "the disk is nearly full: 0.5 GB of 15 GB are free" in queries.waits()
    assert queries.disk(timezone.now() + timedelta(minutes=6)) is None


def test_worlds_stand_still_while_it_is_critical_and_go_on_after() -> None:
    world = make_world(status="running")
    grid = domain("thundergrid")

    def target(number: int) -> int:
        World.objects.update(tick=F("target_tick"))  # all that it may do is done
        grid.on_tick(Tick(number, timezone.now()))
        return World.objects.get(pk=world.pk).target_tick

    before = target(1)
    look(1.5)
    assert target(2) == before + 1, "low is told and stops nothing"
    look(0.5)
    assert target(3) == target(4) == before + 1
    look(9)
    assert target(5) == before + 2


def test_the_domain_says_why_worlds_wait() -> None:
    wake_domains()
    look(0.5)
    actions.check_health("thundergrid", Tick(10, timezone.now()))
    found = queries.domain_status("thundergrid")
    assert found is not None
    assert found.status == "active"
    assert found.fault == "waits: the disk is nearly full: 0.5 GB of 15 GB are free"
    look(9)
    actions.check_health("thundergrid", Tick(20, timezone.now()))
    assert ActiveDomain.objects.get(domain_name="thundergrid").metadata == {}


def test_health_and_metrics_show_it(as_operator: Client) -> None:
    wake_domains()
    beat()
    look(9)
    assert as_operator.get("/health").json()["parts"]["disk"]["level"] == "ok"
    look(1.5)
    body = as_operator.get("/health").json()
    assert body["status"] == "degraded"
    assert body["parts"]["disk"]["level"] == "low"
    text = exposition().decode()
    assert "thunderline_disk_free_bytes 1.5e+09" in text
    for store in ("events", "tick_logs", "model_calls"):
        assert f'thunderline_store_bytes{{store="{store}"}}' in text


def test_health_says_when_it_is_not_known(as_operator: Client) -> None:
    wake_domains()
    Disk.objects.all().delete()
    assert as_operator.get("/health").json()["parts"]["disk"]["level"] == "unknown"


@pytest.mark.parametrize("fields", [{"id": 2}, {"level": "full"}])
def test_the_database_knows_one_disk_and_three_levels(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        Disk.objects.create(**({"free_bytes": 1, "total_bytes": 2, "looked_at": timezone.now()} | fields))

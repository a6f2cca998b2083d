"""/metrics: who may read it, what it says of every process, and that the folder of counts does not grow."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import beat, make_world, run_ticks, wake_domains
from thunderline import metrics, multiprocess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

TOKEN = "a token of some length"
COUNT = """
import os, sys
from pathlib import Path
from thunderline import multiprocess
multiprocess.prepare(Path(sys.argv[1]))
from prometheus_client import Counter, Gauge, Histogram
Counter("things_total", "Things", ["kind"]).labels("round").inc(3)
Histogram("waits", "Waits", buckets=[1, 2]).observe(1.5)
Gauge("now", "Now", multiprocess_mode="livesum").set(9)
"""


def sample(text: str, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return one.value
    return None


def read(client: Client) -> str:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    return response.content.decode()


def count_in_another_process(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", COUNT, str(folder)], check=True, env={"PYTHONPATH": str(Path.cwd())})


def test_this_machine_may_read_it(client: Client) -> None:
    assert "thunderline_database_up 1.0" in read(client)


@pytest.mark.parametrize(
    "come",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer None"},
    ],
)
def test_others_are_refused_in_one_sentence(client: Client, come: dict[str, str]) -> None:
    response = client.get("/metrics", **come)  # type: ignore[arg-type]
    assert response.status_code == 403
    assert re.fullmatch(r"[^.]+\.\n", response.content.decode())


def test_the_token_opens_it_from_anywhere(client: Client, settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"metrics_token": TOKEN})
    come = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, **come).status_code == 200  # type: ignore[arg-type]
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}s"}, **come).status_code == 403  # type: ignore[arg-type]


def test_it_tells_of_ticks_and_hearts_and_worlds_and_pages(client: Client, operator: Any) -> None:
    wake_domains()
    beat()
    before = read(client)
    world = make_world(agents=4)
    run_ticks(world, 6)
    client.force_login(operator)
    client.get("/")
    after = read(client)

    def grown(name: str, **labels: str) -> float:
        return (sample(after, name, **labels) or 0) - (sample(before, name, **labels) or 0)

    assert grown("thunderline_ticks_total") >= 4
    assert grown("thunderline_memory_stores_total") >= 1
    assert grown("thunderline_tick_stage_seconds_count", stage="decide") >= 1
    assert grown("thunderline_page_views_total", page="home") >= 1
    assert grown("django_http_requests_total_by_method_total", method="GET") >= 1
    assert sample(after, "thunderline_world_tick", world="Harbour") == 6
    assert sample(after, "thunderline_world_lag_ticks", world="Harbour") == 0
    assert sample(after, "thunderline_active_domains") == 8
    age = sample(after, "thunderline_heartbeat_age_seconds")
    assert age is not None
    assert 0 <= age < 30


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Counts of other processes only; this one's go on where they went."""
    monkeypatch.setattr(metrics, "folder", lambda: tmp_path)
    return tmp_path


def test_counts_of_ended_processes_are_kept_and_their_files_are_not(folder: Path, client: Client) -> None:
    for _ in range(3):
        count_in_another_process(folder)
    assert len(list(folder.glob("*.db"))) == 9
    for _ in range(2):
        text = read(client)
        assert sample(text, "things_total", kind="round") == 9
        assert sample(text, "waits_bucket", le="2.0") == 3
        assert sample(text, "waits_bucket", le="1.0") == 0
        assert sample(text, "waits_sum") == 4.5
        assert sample(text, "now") is None
        assert {path.name for path in folder.glob("*.db")} == {"counter_0.db", "histogram_0.db"}
    count_in_another_process(folder)
    assert sample(read(client), "things_total", kind="round") == 12


def test_the_files_of_a_living_process_stay(folder: Path, client: Client) -> None:
    code = COUNT + "sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"
    living = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert living.stdin is not None
    assert living.stdout is not None
    try:
        assert living.stdout.read(5) == b"ready"
        text = read(client)
        assert (sample(text, "things_total", kind="round"), sample(text, "now")) == (3, 9)
        assert (folder / f"counter_{living.pid}.db").exists()
    finally:
        living.communicate()
    assert sample(read(client), "things_total", kind="round") == 3


def test_a_start_that_finds_many_files_tidies_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocess, "TIDY_ABOVE", 2)
    count_in_another_process(folder)
    monkeypatch.setenv(multiprocess.VARIABLE, str(folder))
    multiprocess.prepare(folder)
    assert {path.name for path in folder.glob("*.db")} == {"counter_0.db", "histogram_0.db"}


def test_clear_forgets_everything(folder: Path, client: Client) -> None:
    count_in_another_process(folder)
    metrics.clear()
    assert sample(read(client), "things_total", kind="round") is None


def test_a_database_that_is_away_costs_its_gauges_and_no_more(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away() -> None:
        raise OperationalError("away")

    count_in_another_process(folder)
    monkeypatch.setattr(metrics.heartbeat, "stats", away)
    text = read(client)
    assert sample(text, "thunderline_database_up") == 0
    assert sample(text, "things_total", kind="round") == 3

"""`manage.py bench ticks`: small, but with real workers, a database of its own and the real limit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from thunderline.bench.histogram import quantiles
from thunderline.config import BASE_DIR

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def databases() -> Iterator[set[str]]:
    """Names of the server's databases before; none of a benchmark's may be left afterwards."""
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        yield {name for (name,) in server.execute("SELECT datname FROM pg_database").fetchall()}
        left = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'thunderline_bench_%'").fetchall()
        # Another one may be under way in another process of this test run.
        assert not [name for (name,) in left if not psutil.pid_exists(int(name.rpartition("_")[2]))]


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BASE_DIR / "manage.py", "bench", *words]
    environ = os.environ | {"DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}
    return subprocess.run(command, env=environ, capture_output=True, text=True)


@pytest.mark.usefixtures("databases")
def test_ticks_are_counted_and_compared_with_the_limit() -> None:
    words = ["ticks", "--agents", "60", "--zones", "4", "--seconds", "1.5", "--workers", "1"]
    done = bench(*words, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures.keys() == {
        "agents", "zones", "workers", "seconds", "ticks_per_s", "limit_ticks_per_s", "ratio", "batch_ms",
        "memories_per_tick", "events_per_tick", "hot_updates", "wal_bytes_per_tick", "rss_mb_per_worker", "checked",
    }  # fmt: skip
    assert figures["ticks_per_s"] > 0
    assert figures["limit_ticks_per_s"] > 0
    assert figures["ratio"] == pytest.approx(figures["ticks_per_s"] / figures["limit_ticks_per_s"], abs=0.001)
    assert 0 < figures["batch_ms"]["p50"] <= figures["batch_ms"]["p95"] <= figures["batch_ms"]["p99"]
    assert figures["events_per_tick"] >= 1
    assert figures["memories_per_tick"] > 0
    assert "no gap" in figures["checked"]


@pytest.mark.parametrize("words", [("--agents", "0"), ("--zones", "many"), ("--workers", "65"), ("--seconds", "nan")])
def test_a_figure_that_makes_no_sense_is_refused(words: tuple[str, str], databases: set[str]) -> None:
    done = bench("ticks", *words)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert f"{words[0]}: {words[1]!r} is not a number from" in done.stderr
    assert databases


def test_quantiles_of_nothing_are_none(tmp_path: Path) -> None:
    assert quantiles(tmp_path, "thunderline_tick_chunk_seconds", (0.5,)) == {}


@pytest.mark.usefixtures("databases")
def test_steps_with_a_model_are_counted_and_compared_with_a_bare_client() -> None:
    words = ["minds", "--agents", "6", "--latency-ms", "50", "--reasoners", "2", "--seconds", "3", "--mixed", "200"]
    done = bench(*words, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["ideal_per_s"] == 120
    assert 0 < figures["steps_per_s"] <= 120 * 1.2
    assert figures["client_limit_per_s"] > 0
    assert figures["ratio"] == pytest.approx(figures["steps_per_s"] / figures["client_limit_per_s"], abs=0.001)
    assert figures["cpu_ms_per_step"] > 0
    assert figures["by_rules"] == 0
    assert "answers" in figures["checked"]
    assert figures["mixed"]["rule_ticks_per_s_alone"] > 0
    assert figures["mixed"]["rule_ticks_per_s_mixed"] > 0


@pytest.mark.usefixtures("databases")
def test_the_blackboard_is_measured_beside_plain_tables() -> None:
    done = bench("blackboard", "--keys", "1000", "--rounds", "20", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    for name in ("put_ms", "get_ms", "query_ms", "limit_put_ms", "limit_get_ms", "limit_query_by_suffix_ms"):
        assert 0 < figures[name]["p50"] <= figures[name]["p99"], name
    assert figures["query_ms"]["p99"] >= figures["query_by_prefix_ms"]["p99"]
    assert "1000 entries" in figures["checked"]


@pytest.mark.usefixtures("databases")
def test_events_are_counted_and_compared_with_a_bare_copy() -> None:
    done = bench("events", "--seconds", "0.8", "--replayed", "3000", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["publish_per_s"] > 0
    assert figures["copy_per_s"] > 0
    assert figures["ratio"] == pytest.approx(figures["publish_per_s"] / figures["copy_per_s"], abs=0.001)
    assert 0 < figures["single_ms"]["p50"] <= figures["single_ms"]["p99"]
    assert figures["payload_bytes"] >= 200
    assert "no gap" in figures["checked"]
    assert figures["consume_per_s"] > 0
    assert 0 < figures["wake_ms"]["p50"] <= figures["wake_ms"]["p99"]
    assert figures["replay_per_s"] > 0
    assert 2500 < figures["replayed"] <= 3000  # some positions are of rolled back transactions, or of other topics

"""`manage.py bench ticks`: small, but with real workers, a database of its own and the real limit."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.conf import settings

from thunderline.bench import retrieval
from thunderline.bench.histogram import quantiles
from thunderline.config import BASE_DIR


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
def test_lists_of_rest_are_measured_beside_plain_sql() -> None:
    done = bench("api", "--agents", "300", "--rounds", "10", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures.keys() == {"agents", "rounds", "lists_ms", "limit_ms", "slowest_p95_ms", "checked"}
    assert figures["lists_ms"].keys() == figures["limit_ms"].keys() == {"first", "behind", "in_zone", "active", "long"}
    assert figures["slowest_p95_ms"] == max(each["p95"] for each in figures["lists_ms"].values()) > 0
    assert figures["checked"].startswith("300 agents")


@pytest.mark.usefixtures("databases")
def test_pages_are_measured() -> None:
    done = bench("pages", "--agents", "100", "--rounds", "5", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["agents"], figures["rounds"]) == (100, 5) and figures["memories"] > 0
    assert {"first", "zone", "agent", "search, name", "search, memory"} < figures["pages_ms"].keys()
    assert figures["slowest_p95_ms"] == max(each["p95"] for each in figures["pages_ms"].values()) > 0


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
def test_calls_of_tools_are_measured_beside_a_bare_server() -> None:
    done = bench("mcp", "--calls", "10", "--agents", "5", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    for tool in ("zone_list", "pac_get_agent", "memory_search"):
        assert 0 < figures["own_ms"][tool]["p50"] < figures["call_ms"][tool]["p50"]
        assert 0 < figures["besides_ms"][tool]["p50"] <= figures["besides_ms"][tool]["p95"]
    assert figures["limit_ms"]["p50"] > 0
    assert figures["besides_to_limit_p95"] > 0


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


@pytest.mark.usefixtures("databases")
def test_clients_of_zones_are_told_and_compared_with_the_log() -> None:
    words = ["zones", "--seconds", "1", "--idle", "20", "--steps", "1", "--servers", "uvicorn"]
    done = bench(*words, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["uvicorn"]
    assert (figures["missing"], figures["doubles"], figures["closed"]) == (0, 0, {})
    assert figures["published_per_s"] > 500
    for name in ("fanout_ms", "push_ms", "join_ms", "presence_ms"):
        assert 0 < figures[name]["p50"] <= figures[name]["p99"], name
    assert (figures["push_refused"], figures["push_closed"], figures["presence_unseen"]) == ({}, {}, 0)
    assert figures["idle_mb"] > 0
    for name in ("deliveries_per_s", "single_deliveries_per_s"):
        assert figures[name] > 0
        assert figures["ratio"][name] == pytest.approx(figures[name] / figures[f"limit_{name}"], abs=0.001)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two agents: one remembers twelve things, one of them twice in the same words; the other remembers one."""
    said = [
        "Mill wheel is stuck again", "The ferry sank in the storm", "I planted beans by the wall", "Rain all day",
        "A letter came from the coast", "The kiln cracked", "Bees swarmed at noon", "rain all day.",
        "We danced until late", "The chapel bell is lost", "Snow on the pass", "The clock runs backwards",
    ]  # fmt: skip
    memories = [{"id": f"m{n}", "at": f"2025-03-{n + 1:02}T08:00:00Z", "text": text} for n, text in enumerate(said)]
    asked = [
        {"text": "What happened to the ferry in the storm?", "evidence": ["m1"], "category": 4},
        {"text": "Did it rain all day?", "evidence": ["m3", "m7"], "category": 1},
    ]
    other = {
        "name": "Nobody else",
        "memories": [{"id": "m0", "at": "2025-03-01T08:00:00+02:00", "text": "The ferry sank in the storm"}],
        "queries": [{"text": "What sank?", "evidence": ["m0"], "category": 4}],
    }
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"agents": [{"name": "One", "memories": memories, "queries": asked}, other]}))
    return path


@pytest.mark.usefixtures("databases")
def test_what_is_found_of_a_data_set_is_counted(dataset: Path) -> None:
    done = bench("memory", "--dataset", str(dataset), "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures.keys() == {
        "agents", "memories", "merged", "queries", "recall@5", "recall@10", "recall@20", "baseline", "by_category",
        "by_agent", "stores_per_s", "search_ms", "limit_search_ms",
    }  # fmt: skip
    assert (figures["agents"], figures["memories"], figures["merged"], figures["queries"]) == (2, 13, 1, 3)
    # The rain is one row, and counts once: at most half of that evidence can be found.
    assert figures["by_category"] == {
        "1": {"queries": 1, "recall@5": 0.5, "recall@10": 0.5, "recall@20": 0.5},
        "4": {"queries": 2, "recall@5": 1.0, "recall@10": 1.0, "recall@20": 1.0},
    }
    assert figures["by_agent"]["Nobody else"]["recall@5"] == 1.0
    assert figures["by_agent"]["One"]["recall@20"] == 0.75
    assert figures["recall@10"] == pytest.approx(2.5 / 3, abs=0.0001)
    assert figures["baseline"]["recall@20"] == pytest.approx(2.5 / 3, abs=0.0001)
    assert figures["stores_per_s"] > 0
    assert 0 < figures["search_ms"]["p50"] <= figures["search_ms"]["p95"] <= figures["search_ms"]["p99"]


@pytest.mark.usefixtures("databases")
def test_figures_are_shown_to_people_too(dataset: Path) -> None:
    done = bench("memory", "--dataset", str(dataset))
    assert done.returncode == 0, done.stderr
    assert re.search(r"by_agent Nobody else +│ queries 1 +recall@5 1\.0", done.stdout)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["agents"][0]["queries"][1]["evidence"].append("m99"), "One, query 2: the evidence 'm99' is none"),
        (lambda d: d["agents"][0]["memories"][3].update(id="m2"), "One: two memories have the id 'm2'"),
        (lambda d: d["agents"][1].update(name="One"), "two agents have the name 'One'"),
        (lambda d: d["agents"][1]["memories"][0].update(text=" "), "Nobody else, memory m0: content: 1 to 10,000"),
        (lambda d: d["agents"][1]["memories"][0].update(at="2025-03-01T08:00:00"), "memories.0.at: Input should have"),
        (lambda d: d["agents"][0]["queries"][0].update(evidence=[]), "agents.0.queries.0.evidence: List should have"),
        (lambda d: [each["queries"].clear() for each in d["agents"]], "there are no queries"),
        (lambda d: d["agents"].clear(), "agents: List should have at least 1 item"),
    ],
)
def test_a_data_set_that_cannot_be_measured_with_is_refused(
    change: Callable[[Any], object], told: str, dataset: Path
) -> None:
    content = json.loads(dataset.read_bytes())
    change(content)
    dataset.write_text(json.dumps(content))
    with pytest.raises(retrieval.BadDataset, match=re.escape(told)):
        retrieval.read(dataset)


@pytest.mark.usefixtures("databases")
def test_a_file_that_is_no_data_set_is_told_so(tmp_path: Path, dataset: Path) -> None:
    (tmp_path / "half.json").write_text('{"agents": [')
    for words, told in (
        (["--dataset", str(tmp_path / "none.json")], "none.json: No such file or directory"),
        (["--dataset", str(tmp_path / "half.json")], "half.json: Invalid JSON"),
        (["--dataset", str(dataset), "--agents", "3"], "leave the other two out"),
    ):
        done = bench("memory", *words)
        assert done.returncode != 0
        assert told in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("databases")
def test_many_memories_are_stored_and_searched_beside_plain_sql() -> None:
    done = bench("memory", "--agents", "5", "--memories", "50", "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["stored"] == 15 * 50
    assert "750 stored" in figures["checked"]
    assert re.search(r" [1-9]\d* copied", figures["checked"])
    assert figures["ratio"] == pytest.approx(figures["last_stores_per_s"] / figures["limit_stores_per_s"], abs=0.001)
    for name in ("store_ms", "limit_store_ms", "search_ms", "limit_search_ms", "search_during_stores_ms"):
        assert 0 < figures[name]["p50"] <= figures[name]["p95"] <= figures[name]["p99"], name
    assert 0 < figures["searched_memories"] <= 500
    assert figures["bytes_per_memory"]["table"] > 512  # the vector alone
    assert figures["rss_mb_per_storer"] > 0
    across = figures["across"]
    assert (across["lists"], across["recall@10"]) == (0, 1.0)  # few memories need no index
    assert 0 < across["search_ms"]["p50"] <= across["search_ms"]["p99"]
    assert across["limit_search_ms"]["p50"] > 0
    ticks = figures["ticks"]
    assert ticks["half_per_s"] == pytest.approx(ticks["full_per_s"] / 2, abs=0.1)
    for part in (ticks["alone"], ticks["beside"]):
        assert part["ticks_per_s"] > 0
        assert part["chunk_ms"] > 0
    assert ticks["slower_by"] == pytest.approx(
        1 - ticks["beside"]["ticks_per_s"] / ticks["alone"]["ticks_per_s"], abs=0.001
    )
    assert ticks["beside"]["stores_per_s"] > 0
    assert ticks["beside"]["search_ms"]["p50"] > 0

"""`manage.py memory`, and the file that it writes and reads."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from memory import actions, queries
from memory.actions import NewMemory
from memory.models import MemoryNode
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def agents() -> list[UUID]:
    return list(make_world(agents=2).agents.order_by("ordinal").values_list("pk", flat=True))


@pytest.fixture
def ada(agents: list[UUID]) -> UUID:
    return agents[0]


def run(*words: str) -> str:
    out = StringIO()
    call_command("memory", *words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def test_what_is_stored_is_found(ada: UUID) -> None:
    stored = run_json(
        "store", "Agent 0", "The bridge is shut.", "--tag", "way", "--importance", "0.9", "--at", "2026-05-01"
    )
    assert (stored["agent"], stored["world"], stored["seen_count"], stored["merged"]) == (
        "Agent 0",
        "Harbour",
        1,
        False,
    )
    again = run_json("store", str(ada), "the bridge is shut", "--world", "Harbour")
    assert (again["id"], again["seen_count"], again["merged"]) == (stored["id"], 2, True)
    assert "remembers that already, now 3 times" in run("store", "Agent 0", "The bridge is shut.")
    (found,) = run_json("search", "Agent 0", "bridge")
    assert (found["id"], found["content"]) == (stored["id"], "The bridge is shut.")
    assert found["score"] > 0.3
    assert "The bridge is shut." in run("search", "Agent 0", "bridge")
    assert run_json("search", "Agent 0", "bridge", "--as-of", "2026-04-30") == []
    assert len(run_json("search", "Agent 0", "bridge", "--as-of", "2026-05-02T12:00:00+00:00")) == 1
    assert run_json("search", "Agent 1", "bridge") == []


def test_stats(ada: UUID) -> None:
    actions.store_many([NewMemory(ada, text, "semantic") for text in ("a", "b", "a")])
    stats = run_json("stats")
    assert (stats["memories"], stats["stored"], stats["merged"], stats["waiting"]) == (2, 3, 1, 0)
    assert (stats["by_kind"], list(stats["by_embedder"].values())) == ({"semantic": 2}, [2])
    assert run_json("stats", "Agent 1")["memories"] == 0
    assert run_json("stats", "--world", "Harbour")["memories"] == 2
    assert "semantic" in run("stats", "Agent 0")


def test_memories_go_out_and_come_in_as_they_were(ada: UUID, agents: list[UUID], tmp_path: Path) -> None:
    for text in ("one", "two", "two", "three"):
        actions.store(ada, text, source={"tick": len(text)}, tags=("t",))
    MemoryNode.objects.filter(content="one").update(access_count=3)
    file = str(tmp_path / "memories.jsonl")
    assert run_json("export", "Agent 0", file)["memories"] == 3
    names = [f.attname for f in MemoryNode._meta.concrete_fields if f.name not in ("agent", "embedding", "updated_at")]
    before = list(MemoryNode.objects.order_by("id").values_list(*names))
    assert run_json("import", "Agent 0", file) == {
        "agent": "Agent 0", "world": "Harbour", "memories": 3, "new": 0, "merged": 0, "skipped": 3, "mentions": 0,
        "facts": 0,
    }  # fmt: skip
    MemoryNode.objects.all().delete()
    assert run_json("import", "Agent 0", file)["new"] == 3
    assert list(MemoryNode.objects.order_by("id").values_list(*names)) == before
    assert run_json("import", "Agent 1", file)["new"] == 3, "under other ids"
    assert [m.content for m in queries.latest(agents[1])] != []
    assert not set(MemoryNode.objects.filter(agent=agents[1]).values_list("pk", flat=True)) & {row[0] for row in before}
    assert run_json("import", "Agent 1", file)["merged"] == 3
    assert MemoryNode.objects.get(agent=agents[1], content="two").seen_count == 4


HEADER = (
    '{"thunderline_memories": 1, "agent": "a", "world": "w", "exported_at": "2026-01-01T00:00:00Z", "memories": 1}\n'
)
MEMORY: dict[str, Any] = {
    "id": "0190c1d0-0000-7000-8000-000000000001", "content": "x", "inserted_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("{}", "line 1: thunderline_memories: Field required"),
        ("x", "line 1: it is no JSON"),
        (HEADER + "[]", "line 2: "),
        (HEADER + json.dumps({**MEMORY, "content": ""}), "line 2: content: 1 to 10,000"),
        (HEADER + "\n" + json.dumps({**MEMORY, "kind": "odd"}), "line 3: kind: one of"),
        (HEADER + json.dumps({**MEMORY, "surprise": 1}), "line 2: surprise: Extra inputs"),
        (HEADER + json.dumps({**MEMORY, "inserted_at": "2026-01-01T00:00:00"}), "line 2: inserted_at: .*timezone"),
        (HEADER + json.dumps({**MEMORY, "sources": [{"x": "\0"}]}), "line 2: source"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(ada: UUID, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "memories.jsonl"
    good = json.dumps({**MEMORY, "id": "0190c1d0-0000-7000-8000-000000000002", "content": "good"})
    file.write_text(text.replace(HEADER, HEADER) if "\n" not in text else text + "\n" + good)
    with pytest.raises(CommandError, match=says):
        run("import", "Agent 0", str(file))
    assert queries.count(ada) == 0


def test_reembed(ada: UUID, settings: Any) -> None:
    settings.EMBEDDER = {"kind": "local", "dimensions": 64}
    actions.store_many([NewMemory(ada, f"number {n}") for n in range(12)])
    settings.EMBEDDER = {"kind": "local", "dimensions": None}
    done = run_json("reembed", "--batch", "5")
    assert done == {"embedder": "local:wordllama-l2-256/256", "done": 12, "refused": 0, "left": 0}
    assert "0 memories went over" in run("reembed")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["search", "Agent 9", "x"], "there is no agent 'Agent 9'; did you mean Agent"),
        (["search", "Agent 0", "x", "--world", "Nowhere"], "there is no agent 'Agent 0' in Nowhere"),
        (["stats", "--world", "Nowhere"], "there is no world 'Nowhere'"),
        (["search", "Agent 0", "x", "--as-of", "soon"], "'soon' is no date"),
        (["search", "Agent 0", "x", "--as-of", "2026-13-01"], "'2026-13-01' is no date"),
        (["store", "Agent 0", " "], "content: 1 to 10,000 characters"),
        (["store", "Agent 0", "x", "--importance", "2"], "'2' is not a number from 0 to 1"),
        (["export", "Agent 0", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(ada: UUID, words: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(*words)


def test_an_agent_of_two_worlds_needs_its_world(ada: UUID) -> None:
    make_world("Other", agents=1)
    with pytest.raises(CommandError, match="several worlds"):
        run("search", "Agent 0", "x")
    assert run_json("search", "Agent 0", "x", "--world", "Other") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((" \n",), "content: 1 to 10,000 characters, and not only white space"),
        (("x", "--importance", "1.5"), "'1.5' is not a number from 0 to 1"),
        (("x", "--tag", ""), "tags: at most 50, of 1 to 100 characters"),
        (("x", "--valid-to", "2020-01-01"), "valid_to: it must be after valid_from, which is now"),
        (("x", "--valid-from", "2026-05-02", "--valid-to", "2026-05-01"), "valid_to: it must be after valid_from"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason(ada: UUID, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run("store", "Agent 0", *words)
    assert queries.count(ada) == 0

"""`manage.py memory search --everywhere` and `manage.py memory index`."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from memory import actions
from memory.actions import NewMemory
from tests.factories.worlds import make_world
from tests.integration.memory.across.making import no_index_left, remember

__all__ = ["no_index_left"]


def run(*words: str) -> str:
    out = StringIO()
    call_command("memory", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def agents() -> list[UUID]:
    return list(make_world(agents=2).agents.order_by("ordinal").values_list("pk", flat=True))


@pytest.mark.django_db
def test_search_everywhere(agents: list[UUID]) -> None:
    (far,) = make_world("Other", agents=1).agents.values_list("pk", flat=True)
    actions.store_many([
        NewMemory(agents[0], "The bridge is shut.", kind="semantic", tags=("way",)),
        NewMemory(agents[1], "Bo crossed the bridge."), NewMemory(far, "A bridge of ice."),
    ])  # fmt: skip
    found = json.loads(run("search", "--everywhere", "bridge", "--json"))
    assert {(each["agent"], each["world"]) for each in found} == {
        ("Agent 0", "Harbour"), ("Agent 1", "Harbour"), ("Agent 0", "Other"),
    }  # fmt: skip
    assert len(json.loads(run("search", "--everywhere", "bridge", "--limit", "2", "--json"))) == 2
    shown = run("search", "--everywhere", "bridge", "--world", "Other")
    assert "A bridge of ice." in shown
    assert "Harbour" not in shown
    (only,) = json.loads(run("search", "--everywhere", "bridge", "--kind", "semantic", "--tag", "way", "--json"))
    assert (only["content"], only["tags"]) == ("The bridge is shut.", ["way"])
    assert json.loads(run("search", "--everywhere", "bridge", "--as-of", "2020-01-01", "--json")) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Agent 0"], "AGENT and TEXT are needed, or --everywhere TEXT"),
        (["Agent 0", "x", "--everywhere", "x"], "either an agent or --everywhere"),
        (["--everywhere", " "], "1 to 10,000 characters"),
        (["--everywhere", "x", "--world", "Nowhere"], "there is no world 'Nowhere'"),
        (["--everywhere", "x", "--kind", "odd"], "invalid choice: 'odd'"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(agents: list[UUID], words: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run("search", *words)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits", "no_index_left")
def test_index(agents: list[UUID], settings: Any) -> None:
    settings.MEMORY_INDEX = {"rows": 2000, "read": 2000, "memory_mb": 128}
    remember(agents, 20)
    assert "20 memories of local:wordllama-l2-256/256 have no index" in run("index")
    remember(agents, 1980, start=20)
    done = json.loads(run("index", "--json"))
    assert (done["did"], done["rows"], done["lists"]) == ("built", 2000, 8)
    again = run("index")
    assert f"2,000 memories of local:wordllama-l2-256/256: {done['index']} with 8 lists" in again
    assert "Nothing was to be done." in again
    settings.MEMORY_INDEX = {"rows": 5000, "read": 2000, "memory_mb": 1}
    assert f"They are too few for one. Removed: {done['index']}." in run("index")
    settings.MEMORY_INDEX = {"rows": 2000, "read": 2000, "memory_mb": 1}
    with pytest.raises(CommandError, match="the index was not built: memory required"):
        run("index")

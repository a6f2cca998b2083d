"""`manage.py memory upkeep` and what /metrics says of it."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from domains import sql
from memory.models import AgentUpkeep, MemoryForm, MemoryNode
from tests.factories.worlds import make_world
from tests.integration.memory.graph.making import link_all
from tests.integration.memory.upkeep.living import DAY, OUTING, contents, forgotten, remember_all, summaries
from thunderline import metrics

pytestmark = pytest.mark.django_db


def upkeep(*arguments: str) -> Any:
    out = StringIO()
    call_command("memory", "upkeep", "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def agents() -> Any:
    now = timezone.now()
    found = list(make_world(agents=2).agents.order_by("ordinal"))
    for one in found:
        remember_all(one.pk, OUTING, at=now - 10 * DAY)
        remember_all(one.pk, ["The bridge is shut.", "A bridge is shut."], at=now)
        remember_all(one.pk, ["It rained once."], at=now - 4000 * DAY)
    return found


def test_it_looks_after_everybody_and_says_what_it_did(agents: Any) -> None:
    data = upkeep()
    assert data["dry_run"] is False
    done = data["done"]
    assert (done["agents"], done["linked"], done["compared"], done["merged"], done["summaries"]) == (2, 18, 18, 2, 2)
    assert done["faded"] == 2
    left = data["left"]
    assert (left["agents"], left["due"], left["to_compare"], left["to_embed"]) == (2, 0, 0, 0)
    assert left["to_link"] == 2, "the summaries"
    again = upkeep()["done"]
    assert {name: count for name, count in again.items() if count} == {"agents": 2, "linked": 2, "compared": 2} | {
        name: again[name] for name in ("mentions", "ties") if again[name]
    }


def test_one_agent_or_one_world(agents: Any) -> None:
    assert upkeep("--agent", "Agent 0")["done"]["agents"] == 1
    assert len(summaries(agents[0].pk)) == 1 and not summaries(agents[1].pk)
    assert upkeep("--world", "Harbour")["done"]["agents"] == 2
    with pytest.raises(CommandError, match="there is no agent 'Nobody'"):
        upkeep("--agent", "Nobody")
    with pytest.raises(CommandError, match="there is no world 'Nowhere'"):
        upkeep("--world", "Nowhere")


def test_a_dry_run_says_the_same_and_changes_nothing(agents: Any) -> None:
    before = [contents(one.pk) for one in agents]
    tried = upkeep("--dry-run")
    assert tried["dry_run"] is True
    assert [contents(one.pk) for one in agents] == before and not forgotten()
    assert not MemoryForm.objects.exists() and not AgentUpkeep.objects.exists()
    done = upkeep()["done"]
    for name in ("agents", "compared", "merged", "summaries", "faded", "over_budget"):
        assert tried["done"][name] == done[name], name


def test_people_get_a_table_and_how_far_it_is_behind(agents: Any) -> None:
    out = StringIO()
    call_command("memory", "upkeep", stdout=out)
    assert "merged" in out.getvalue() and "0 of 2 agents are due" in out.getvalue()
    out = StringIO()
    call_command("memory", "upkeep", "--dry-run", stdout=out)
    assert "would be done" in out.getvalue()


def test_what_waits_is_in_the_metrics(agents: Any) -> None:
    def said() -> str:
        return metrics.exposition().decode()

    assert 'thunderline_memory_waiting{for="link"} 18.0' in said()
    link_all()
    sql.execute("UPDATE memory_upkeep SET due_at = now() - interval '90 s', over_budget = 2")
    MemoryNode.objects.filter(agent=agents[0]).update(embedder="", embedding=None)
    found = said()
    assert 'thunderline_memory_waiting{for="link"} 0.0' in found
    assert 'thunderline_memory_waiting{for="compare"} 18.0' in found
    assert 'thunderline_memory_waiting{for="embed"} 9.0' in found
    assert "thunderline_memory_upkeep_due 2.0" in found and "thunderline_memory_over_budget 4.0" in found
    (lag,) = [line for line in found.splitlines() if line.startswith("thunderline_memory_upkeep_lag_seconds ")]
    assert 90 <= float(lag.split()[1]) < 1000

"""Reflection in living worlds: insights are stored with their evidence, counted as recalls, and lean choices."""

import random
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agents.engine import barrier, turn
from agents.insights import TOPICS
from agents.models import Agent
from domains import sql
from memory.actions import NewMemory, store_many
from memory.models import MemoryEdge, MemoryNode, MemoryRecall
from tests.conftest import CountQueries
from tests.integration.agents.living import allow, live, logs, make_world, people, person

pytestmark = pytest.mark.django_db

THOUGHTFUL = {"name": "m", "kind": "behavior", "effects": {"action_weights": {"reflect": 1.2, "socialize": 0.6}}}
RAPT = {"name": "m", "kind": "behavior", "effects": {"action_weights": {"reflect": 90.0}}}
TALK = [[1, "Mara talked with Ben about old debts in Zone 0.", 0.5, 0.5], [2, "Ben and Mara laughed.", 0.4, 0.4]]


def remembering(agent: Agent, memories: list[list[Any]]) -> list[MemoryNode]:
    """Let an agent have these in mind and in its vault."""
    with transaction.atomic():
        store_many([NewMemory(agent.pk, text, "episodic", weight, felt) for _, text, weight, felt in memories])
    Agent.objects.filter(pk=agent.pk).update(working_memory=memories)
    return list(MemoryNode.objects.filter(agent=agent).order_by("id"))


def insights_of(agent: Agent) -> list[MemoryNode]:
    return list(MemoryNode.objects.filter(agent=agent, source__has_key="insight").order_by("id"))


def test_an_insight_is_stored_with_its_evidence_and_stays_in_mind() -> None:
    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[RAPT])
    talked, laughed = remembering(mara, TALK)
    with transaction.atomic():
        (older,) = store_many([NewMemory(mara.pk, "Long ago Mara quarrelled with Ben about old debts.")])
        store_many([NewMemory(mara.pk, "The tide turned early.")])
    live(world, 1)
    (insight,) = insights_of(mara)
    assert (insight.kind, insight.source) == ("semantic", {"tick": 1, "world_tick": 1, "insight": "company"})
    edges = MemoryEdge.objects.filter(source=insight, relation="causal")
    assert {edge.target_id for edge in edges} == {talked.pk, laughed.pk, older}
    (log,) = logs(mara)
    assert log.memories == [str(insight.pk)]
    assert insight.content in log.narrative
    mind = Agent.objects.get(pk=mara.pk).working_memory
    assert mind[-1] == [1, insight.content, insight.importance, insight.valence, "company", mind[-1][5]]
    assert mind[-1][5] > 0
    assert mind[:2] == TALK
    counted = dict(MemoryNode.objects.filter(agent=mara).values_list("pk", "access_count"))
    assert (counted[talked.pk], counted[laughed.pk], counted[older]) == (1, 1, 1)
    assert sum(counted.values()) == 3, "and nothing else came back"
    recall = MemoryRecall.objects.get(agent=mara)
    assert (recall.recalls, recall.hits) == (1, 1)


def test_what_was_concluded_is_not_concluded_again() -> None:
    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[RAPT])
    remembering(mara, TALK)
    live(world, 15)
    assert len(insights_of(mara)) == 1
    assert {log.action for log in logs(mara)} == {"reflect"}


def test_evidence_that_is_gone_is_left_out() -> None:
    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[RAPT])
    talked, laughed = remembering(mara, TALK)
    talked.delete()
    live(world, 1)
    (insight,) = insights_of(mara)
    assert [edge.target_id for edge in MemoryEdge.objects.filter(source=insight)] == [laughed.pk]
    assert MemoryRecall.objects.get(agent=mara).hits == 0, "nothing but what was in mind came back"


def test_choices_change_after_an_insight() -> None:
    """The same people in the same place, with and without it: five ticks of forty of them each."""
    counts = []
    for name, mind in (("without", []), ("with", [[0, "It is people who stay with me.", 0.6, 0.3, "company", 1.0]])):
        world, (zone,) = make_world({"capacity": 100, "environment_interval": 1000}, name=name)
        everybody = people(zone, 40, position={"x": 50, "y": 50})
        Agent.objects.filter(pk__in=[a.pk for a in everybody]).update(working_memory=mind)
        live(world, 5)
        counts.append(Counter(log.action for log in logs(world)))
        reasons = [log.reasoning for log in logs(world) if log.action == "socialize"]
        assert any("an insight about company +" in reason for reason in reasons) == bool(mind)
    assert counts[1]["socialize"] > 1.25 * counts[0]["socialize"]


def test_people_come_to_insights_by_themselves_and_not_too_often() -> None:
    world, (zone,) = make_world({"capacity": 60, "entropy": 0.7, "environment_interval": 5})
    everybody = people(zone, 40, goals=[{"name": "mend the bridge"}], mods=[THOUGHTFUL])
    live(world, 60)
    found = MemoryNode.objects.filter(agent__world=world, source__has_key="insight")
    reflected = sum(log.action == "reflect" for log in logs(world))
    assert 40 < found.count() < reflected
    assert len({node.source["insight"] for node in found} & TOPICS.keys()) >= 4
    assert len({node.content for node in found}) > 25
    assert not {log.error for log in logs(world) if "not possible" not in (log.error or "")} - {None}
    without = [node for node in found if not MemoryEdge.objects.filter(source=node, relation="causal").exists()]
    assert not without, "each rests upon something"
    assert MemoryRecall.objects.filter(agent__in=everybody, hits__gt=0).exists()


def test_insights_cost_a_chunk_the_same_few_statements(count_queries: CountQueries) -> None:
    counts = []
    for n in (10, 150):
        world, (zone,) = make_world({"capacity": 200, "environment_interval": 1000}, name=f"World {n}")
        for agent in people(zone, n, mods=[RAPT]):
            remembering(agent, TALK)
        allow(world, 1)
        assert barrier.advance(world.pk)
        with count_queries() as statements:
            assert turn.take(world.pk)
        counts.append(len(statements))
    # One search of at most four, ties to evidence, recalls of memories, of ties and of agents.
    assert counts[0] == counts[1] == 12
    assert MemoryEdge.objects.filter(relation="causal").count() == 2 * (10 + 150)


def test_a_tick_waits_for_nobody_who_holds_a_memory(transactional_db: None) -> None:
    """Somebody who changes the evidence at this moment makes it go without, and does not hold it up."""
    import psycopg
    from django.db import connection

    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[RAPT])
    talked, laughed = remembering(mara, TALK)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT 1 FROM memory_nodes WHERE id = %s FOR UPDATE", [talked.pk])
        other.execute("SELECT pg_advisory_xact_lock(1163284302, n) FROM generate_series(-10, 10) n")
        live(world, 1)
        other.rollback()
    (insight,) = insights_of(mara)
    assert [edge.target_id for edge in MemoryEdge.objects.filter(source=insight)] == [laughed.pk]


def test_whatever_becomes_of_the_vault_agents_choose_the_same() -> None:
    """One world keeps its memories; of the other some are removed, added and rewritten between any two ticks."""
    seen = []
    chance = random.Random(5)
    for name in ("kept", "raided"):
        world, (zone,) = make_world({"capacity": 40, "entropy": 0.7, "environment_interval": 4}, name=name, seed=99)
        people(zone, 25, goals=[{"name": "mend the bridge"}], mods=[THOUGHTFUL])
        for _ in range(40):
            live(world, 1)
            if name == "raided":
                raid(world, chance)
        seen.append(sorted((a.ordinal, a.working_memory, a.stats, a.goals) for a in world.agents.all()))
        seen.append(sorted((log.world_tick, log.action, bytes(log.state_hash)) for log in logs(world)))
        seen.append(sorted((log.world_tick, log.narrative) for log in logs(world)))
        assert MemoryNode.objects.filter(agent__world=world, source__has_key="insight").count() > 5
    assert seen[0] == seen[3]
    assert seen[1] == seen[4]
    assert seen[2] == seen[5]


def raid(world: Any, chance: random.Random) -> None:
    """More than upkeep would ever do."""
    ids = list(MemoryNode.objects.filter(agent__world=world).values_list("pk", flat=True))
    gone = [pk for pk in ids if chance.random() < 0.2]
    sql.execute("DELETE FROM memory_edges WHERE source_id = ANY(%(i)s) OR target_id = ANY(%(i)s)", {"i": gone})
    sql.execute("DELETE FROM memory_nodes WHERE id = ANY(%s)", [gone])
    sql.execute(
        "UPDATE memory_nodes SET importance = 1, inserted_at = inserted_at - interval '9 days' WHERE id = ANY(%s)",
        [ids[::3]],
    )
    agents = [agent.pk for agent in world.agents.all()[:5]]
    with transaction.atomic():
        store_many([NewMemory(pk, f"Talked and quarrelled {chance.random()}.", at=timezone.now()) for pk in agents])


def test_insights_move_with_their_agent_and_act_as_they_did() -> None:
    """A file of an agent carries them in its working memory."""
    import io

    from agents.transfer import exporting, importing

    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[RAPT])
    remembering(mara, TALK)
    live(world, 1)
    out = io.BytesIO()
    exporting.export(mara.pk, out, now=timezone.now())
    found = importing.bring(
        io.BytesIO(out.getvalue()), world_id=world.pk, zone_id=zone.pk, by="user:ada", now=timezone.now(), name="Ida"
    )
    minds = [Agent.objects.get(pk=pk).working_memory for pk in (mara.pk, found.agent.pk)]
    assert [m[1:] for m in minds[0]] == [m[1:] for m in minds[1]]
    assert len(minds[1][-1]) == 6

"""What ticks leave in the vault, and what is told of them."""

import re

import pytest

from agents.models import TickLog
from memory.models import MemoryNode
from tests.integration.agents.living import live, logs, make_world, people, person
from zones.models import Zone

pytestmark = pytest.mark.django_db

HOSTILE = ["{zone}", "%s %d %(x)s", 'O\'Brien "the" \\1', "🦊🔥", "x" * 100, "{}", "'; DROP TABLE pac_agents;--"]


def test_memories_follow_the_rule_and_name_their_tick() -> None:
    world, (zone,) = make_world({"environment_interval": 2, "entropy": 0.9})
    people(zone, 20)
    live(world, 25)
    found = list(MemoryNode.objects.filter(agent__world=world))
    assert len(found) > 100
    by_tick = {(log.agent_id, log.tick_number): log for log in logs(world)}
    for memory in found:
        assert memory.importance >= 0.3 or abs(memory.valence) >= 0.4
        log = by_tick[memory.agent_id, memory.source["tick"]]
        assert log.world_tick == memory.source["world_tick"]
        assert str(memory.pk) in log.memories
        assert memory.embedding is not None
        assert len(memory.all_sources) == min(memory.seen_count, 21)
    assert sum(len(log.memories) for log in by_tick.values()) == sum(memory.seen_count for memory in found)


def test_nothing_is_remembered_of_remembering() -> None:
    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, mods=[{"name": "m", "kind": "behavior", "effects": {"action_weights": {"reflect": 90.0}}}])
    live(world, 20)
    assert {log.action for log in logs(mara)} == {"reflect"}
    assert not MemoryNode.objects.filter(agent=mara).exists()


def test_what_happens_is_noticed_by_those_present_and_remembered() -> None:
    """And by nobody elsewhere."""
    world, (here, there) = make_world({"entropy": 1.0, "thermal": 1.0, "environment_interval": 1}, {})
    present = people(here, 5)
    absent = people(there, 5, first=10)
    live(world, 12)
    here.refresh_from_db()
    happened = {h[2] for h in here.happenings if h[1] not in ("talk", "work", "goal") and h[3] >= 0.3}
    assert happened
    for agent in present:
        assert happened & set(MemoryNode.objects.filter(agent=agent).values_list("content", flat=True))
    assert not happened & set(
        MemoryNode.objects.filter(agent__in=absent, content__in=happened).values_list("content", flat=True)
    )


def test_a_happening_is_noticed_at_the_tick_after_it() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    Zone.objects.filter(pk=zone.pk).update(happenings=[[1, "bell", "A bell rang.", 0.9, 0.0, None, None]])
    live(world)
    assert not MemoryNode.objects.filter(agent=mara, content="A bell rang.").exists()
    live(world)
    assert MemoryNode.objects.get(agent=mara, content="A bell rang.").source == {"tick": 2, "world_tick": 2}
    live(world, 3)
    assert MemoryNode.objects.filter(agent=mara, content="A bell rang.").count() == 1


def test_only_so_many_happenings_are_kept() -> None:
    world, (zone,) = make_world({"capacity": 150, "interaction_range": 200.0})
    people(zone, 120, mods=[{"name": "m", "kind": "skill", "effects": {"action_weights": {"socialize": 90.0}}}])
    live(world, 2)
    zone.refresh_from_db()
    assert len(zone.happenings) == 32
    assert all(len(h) == 7 for h in zone.happenings)


# --- Stories -------------------------------------------------------------------------------------------------


def test_stories_are_whole_sentences_and_vary() -> None:
    """Over three hundred ticks of one: every slot filled, and hardly ever the same again."""
    world, (zone,) = make_world({"environment_interval": 5, "entropy": 0.7, "capacity": 10})
    mara = person(zone, goals=[{"name": "mend the bridge"}], capabilities=["use_tools", "write_notices"])
    people(zone, 3, position={"x": 50, "y": 50})
    live(world, 300)
    told = [log.narrative for log in logs(mara)]
    assert len(told) == 300
    assert len(set(told)) > 150
    for text in told:
        assert not re.search(r"[{}]|None|\bnan\b", text), text
        assert text[0].isupper() or text[0] == "“", text
        assert text[-1] in ".!?”:", text
    assert len({log.action for log in logs(mara)}) >= 7


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_somebody_is_called(name: str) -> None:
    """Names of agents, zones and goals survive stories, memories and notices as they are."""
    world, (zone,) = make_world({"name": name, "environment_interval": 3, "entropy": 0.9})
    mara = person(
        zone, name, goals=[{"name": f"find {name}"}], capabilities=["use_tools", "write_notices", "read_notices"]
    )
    person(zone, "Ben", position={"x": mara.x, "y": mara.y})
    live(world, 40)
    assert {log.error for log in logs(world) if "not possible" not in (log.error or "")} == {None}
    told = [log.narrative for log in logs(mara)]
    assert sum(name in text for text in told) >= 25
    for memory in MemoryNode.objects.filter(agent__world=world, content__contains=" talked with "):
        assert memory.content.endswith(f" in {name}.")
        assert re.match(rf"({re.escape(name)} talked with Ben|Ben talked with {re.escape(name)}) ", memory.content)
    assert TickLog.objects.filter(agent__world=world).count() == 80

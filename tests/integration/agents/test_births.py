"""Making agents: one call, all or none."""

from typing import Any

import pytest
from django.utils import timezone

from agents import actions
from agents.errors import Invalid
from agents.models import Agent, Mod
from agents.specs import AgentSpec
from domains import sql
from domains.ids import new_id
from memory import actions as memory
from memory.graph import facts
from memory.health import upkeep as health
from memory.upkeep import stints
from tests.conftest import CountQueries
from tests.integration.agents.living import check_counts, events, live, logs, make_world, people, person
from tests.threads import at_once
from zones import errors as zone_errors
from zones.models import World, Zone

pytestmark = pytest.mark.django_db


def specs(zone: Zone, *names: str, **fields: Any) -> list[tuple[Any, AgentSpec]]:
    return [(zone.pk, AgentSpec(name=name, **fields)) for name in names]


def nothing_was_made(world: World) -> None:
    assert not Agent.objects.filter(world=world).exists()
    assert not Mod.objects.exists()
    assert World.objects.get(pk=world.pk).next_ordinal == 0
    for zone in Zone.objects.filter(world=world):
        assert zone.agent_count == 0
        assert not events(zone.pk, "agent_entered")


def test_a_thousand_at_once() -> None:
    world, zones = make_world({"capacity": 600}, {"capacity": 600})
    wanted = [pair for i in range(500) for z in (0, 1) for pair in specs(zones[z], f"Agent {2 * i + z}")]
    made = actions.create_many(wanted, world_id=world.pk, by="operator")
    assert [a.ordinal for a in made] == list(range(1000))
    assert [a.name for a in made] == [spec.name for _, spec in wanted]
    assert set(Agent.objects.values_list("lifecycle", flat=True)) == {"active"}
    check_counts(world)
    for zone in zones:
        entered = events(zone.pk, "agent_entered")
        assert len(entered) == 500
        assert {event.actor for event in entered} == {"operator"}
    assert live(world).ticks == 1000 // 30 + 1


def test_what_they_are_made_of() -> None:
    world, (zone,) = make_world()
    mara = person(
        zone, description="Ferrywoman", traits={"openness": 0.9}, stats={"energy": 12}, mood=-0.5, capabilities=["row"],
        goals=[{"name": "mend the bridge"}], position={"x": 3, "y": 4, "z": 5}, reasoner="rules", movement_range=2,
    )  # fmt: skip
    mara.refresh_from_db()
    assert mara.position == {"x": 3, "y": 4, "z": 5}
    assert mara.state == {
        "mood": -0.5, "activity": "", "current_focus": "", "goals": [{"name": "mend the bridge", "progress": 0}],
    }  # fmt: skip
    assert (mara.stats["energy"], mara.stats["focus"], mara.traits["openness"], mara.traits["neuroticism"]) == (
        12, 50, 0.9, 0.5,
    )  # fmt: skip
    assert (mara.home_zone_id, mara.world_id, mara.tick_number, mara.due_tick) == (zone.pk, world.pk, 0, 1)
    assert str(mara) == "Mara"


def test_places_of_birth_follow_from_the_seed() -> None:
    def born(name: str, seed: int) -> list[tuple[float, float]]:
        _, (zone,) = make_world(name=name, seed=seed)
        return [(a.x, a.y) for a in people(zone, 20)]

    one, same, other = born("one", 5), born("same", 5), born("other", 6)
    assert one == same != other
    assert len(set(one)) == 20


def test_nobody_is_made_of_nothing() -> None:
    world, _ = make_world()
    assert actions.create_many([], world_id=world.pk, by="operator") == []


def test_a_name_that_is_taken() -> None:
    world, (zone,) = make_world()
    person(zone, "Mara")
    with pytest.raises(Invalid, match="is taken in this world"):
        actions.create_many(specs(zone, "Ben", "Mara"), world_id=world.pk, by="operator")
    assert list(Agent.objects.values_list("name", flat=True)) == ["Mara"]
    assert World.objects.get(pk=world.pk).next_ordinal == 1
    check_counts(world)


def test_a_name_that_is_given_twice() -> None:
    world, (zone,) = make_world()
    with pytest.raises(Invalid, match="name: Mara is taken in this world"):
        actions.create_many(specs(zone, "Mara", "Ben", "Mara"), world_id=world.pk, by="operator")
    nothing_was_made(world)


def test_the_same_name_in_another_world_is_fine() -> None:
    for n in range(2):
        _, (zone,) = make_world(name=f"World {n}")
        person(zone, "Mara")
    assert Agent.objects.filter(name="Mara").count() == 2


def test_a_full_zone() -> None:
    world, zones = make_world({"capacity": 5}, {"capacity": 1})
    with pytest.raises(zone_errors.ZoneFull, match="Zone 1 has place for 1 more, not for 2"):
        actions.create_many(specs(zones[0], "A") + specs(zones[1], "B", "C"), world_id=world.pk, by="operator")
    nothing_was_made(world)


def test_zones_of_other_worlds_and_zones_that_are_none() -> None:
    world, (zone,) = make_world()
    _, (elsewhere,) = make_world(name="Elsewhere")
    with pytest.raises(Invalid, match="it belongs to another world"):
        actions.create_many(specs(zone, "A") + specs(elsewhere, "B"), world_id=world.pk, by="operator")
    with pytest.raises(zone_errors.NotFound):
        actions.create(AgentSpec(name="A"), world_id=world.pk, zone_id=new_id(), by="operator")
    with pytest.raises(zone_errors.NotFound):
        actions.create(AgentSpec(name="A"), world_id=new_id(), zone_id=zone.pk, by="operator")
    nothing_was_made(world)


def test_mods_that_share_a_name() -> None:
    world, (zone,) = make_world()
    mod = {"name": "hat", "kind": "skill"}
    with pytest.raises(Invalid, match="mod_once_in_force"):
        person(zone, mods=[mod, mod])
    nothing_was_made(world)


def test_who_is_born_late_begins_late() -> None:
    world, (zone,) = make_world()
    live(world, 10)
    mara = person(zone)
    live(world, 2)
    assert [log.world_tick for log in logs(mara)] == [11, 12]


def test_the_number_of_queries_does_not_grow(count_queries: CountQueries) -> None:
    counts = []
    for n in (10, 500):
        _, (zone,) = make_world({"capacity": 500}, name=f"World {n}")
        with count_queries() as statements:
            people(zone, n)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 12


@pytest.mark.django_db(transaction=True)
def test_many_births_at_once_share_no_ordinal_and_no_place() -> None:
    world, (zone,) = make_world({"capacity": 25})

    def born(first: int) -> int:
        try:
            return len(people(zone, 10, first=first))
        except zone_errors.ZoneFull:
            return 0

    assert sorted(at_once(*[lambda n=n: born(100 * n) for n in range(4)])) == [0, 0, 10, 10]  # type: ignore[misc]
    assert sorted(Agent.objects.values_list("ordinal", flat=True)) == list(range(20))
    check_counts(world)


# --- Edits ---------------------------------------------------------------------------------------------------


def test_what_ticks_leave_alone_can_be_changed() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    live(world, 2)
    changed = actions.edit(
        mara.pk, {"openness": 0.9, "description": " Old ", "capabilities": ["row"], "tick_interval": 5}, by="operator"
    )
    assert (changed.openness, changed.description, changed.capabilities) == (0.9, "Old", ["row"])
    mara.refresh_from_db()
    assert (mara.tick_number, mara.tick_interval) == (2, 5)
    told = [e for e in events(zone.pk) if e.topic == f"agent.{mara.pk}.changed"]
    assert told[-1].payload["now"] == "capabilities, description, openness, tick_interval"
    live(world, 7)
    assert [log.world_tick for log in logs(mara)] == [1, 2, 3, 8]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"energy": 100}, "energy: cannot be changed"),
        ({"zone_id": None}, "zone_id: cannot be changed"),
        ({"openness": 2}, "openness: "),
        ({"tick_interval": 0}, "tick_interval: "),
        ({"capabilities": 5}, "capabilities: "),
        ({"capabilities": {"fly": True}}, "capabilities: "),
        ({"temperature": "hot"}, "temperature: "),
        ({"reasoner": ""}, "reasoner: "),
        ({"description": "a\0b"}, "description: "),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    with pytest.raises(Invalid, match=said):
        actions.edit(mara.pk, changes, by="operator")
    live(world, 2)
    assert [log.error for log in logs(mara)] == [None, None]


def look_after_memories(world: World) -> None:
    """So that each table that hangs on agents has rows of theirs."""
    now = timezone.now()
    mara = Agent.objects.filter(world=world)[0]
    memory.store(mara.pk, "Ann Lee met Bo Reed in Lisbon.")
    facts.learn([facts.NewFact(mara.pk, "Ann", "lives in", "Lisbon")], now=now)
    memory.recalled([memory.Recall(mara.pk, tuple(mara.memories.values_list("pk", flat=True)[:2]))], now=now)
    stints.run(now=now, seconds=20)
    health.refresh(now=now, seconds=20)
    for table in OF_AGENTS:
        ((count,),) = sql.fetch_rows(f"SELECT count(*) FROM {table}")
        assert count, table


OF_AGENTS = [
    "memory_nodes", "memory_edges", "memory_entities", "memory_entity_aliases", "memory_mentions", "memory_facts",
    "memory_recalls", "memory_health", "memory_upkeep", "memory_health_worlds",
]  # fmt: skip


def test_a_world_s_people_can_be_deleted_with_all_they_did() -> None:
    from django.db import connection

    from memory.models import MemoryNode

    world, (zone,) = make_world()
    other, (elsewhere,) = make_world(name="Other")
    people(zone, 5, mods=[{"name": "hat", "kind": "skill"}])
    people(elsewhere, 2)
    live(world, 20)
    live(other, 2)
    assert MemoryNode.objects.filter(agent__world=world).exists()
    look_after_memories(world)
    gone = list(Agent.objects.filter(world=world).values_list("pk", flat=True))
    actions.delete_all(world.pk)
    assert not Agent.objects.filter(world=world).exists()
    assert not MemoryNode.objects.filter(agent_id__in=gone).exists()
    assert not Mod.objects.exists()
    assert len(logs(other)) == 4
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tick_logs WHERE agent_id = ANY(%s)", [gone])
        assert cursor.fetchone() == (0,)

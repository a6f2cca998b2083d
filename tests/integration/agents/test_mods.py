"""Mods really change what agents choose and can do, and end on time."""

from collections import Counter
from typing import Any

import pytest

from agents import actions, behaviours, queries
from agents.behaviours import Behaviour
from agents.errors import NotFound
from agents.facts import Outcome
from agents.models import Agent, Mod
from agents.specs import ModSpec
from tests.integration.agents.living import events, live, logs, make_world, people, person

pytestmark = pytest.mark.django_db


def mod(name: str = "hat", duration: int | None = None, **effects: Any) -> ModSpec:
    return ModSpec.model_validate({"name": name, "kind": "skill", "duration": duration, "effects": effects})


def chosen(world: Any) -> Counter[str]:
    return Counter(log.action for log in logs(world))


def test_a_mod_changes_what_is_chosen() -> None:
    """The same people, with and without."""
    counts = []
    for name, mods in (("plain", []), ("modded", [mod(trait_modifiers={"extraversion": 0.9}).model_dump()])):
        world, (zone,) = make_world({"interaction_range": 200.0}, name=name)
        people(zone, 40, mods=mods)
        live(world, 5)
        counts.append(chosen(world)["socialize"])
    assert counts[1] > 1.3 * counts[0] > 0


def test_a_mod_changes_what_can_be_done(request: pytest.FixtureRequest) -> None:
    act = lambda *_: Outcome(("{name} flew.",), "Flew.", activity="flying")  # noqa: E731
    behaviours.register(Behaviour("fly", 1, act, "the sky", bias=50, capability="wings"))
    request.addfinalizer(lambda: behaviours.unregister("fly"))
    world, (zone,) = make_world()
    mara, _ = person(zone), person(zone, "Ben")
    live(world, 2)
    assert chosen(world)["fly"] == 0
    actions.apply_mod(mara.pk, mod("wings", new_capabilities=["wings"]), by="operator")
    live(world, 2)
    assert [log.action for log in logs(mara)][2:] == ["fly", "fly"]
    actions.remove_mod(mara.pk, "wings", by="operator")
    live(world, 2)
    assert chosen(world)["fly"] == 2


@pytest.mark.parametrize("interval", [1, 3])
def test_a_mod_ends_on_time(interval: int) -> None:
    """In force from the next tick through so many world ticks, however often the agent ticks."""
    world, (zone,) = make_world()
    mara = person(zone, tick_interval=interval)
    live(world, 3)
    put_on = actions.apply_mod(mara.pk, mod(duration=4, action_weights={"reflect": 90.0}), by="operator")
    assert (put_on.applied_tick, put_on.expires_tick) == (3, 7)
    live(world, 12)
    during = {log.world_tick: log.decision["alternatives"].get("reflect", 0) > 50 for log in logs(mara)}
    assert during == {tick: 3 < tick <= 7 for tick in range(1, 16, interval)}
    mara.refresh_from_db()
    put_on.refresh_from_db()
    assert (mara.mod_count, put_on.active) == (0, False)
    assert queries.mods(mara.pk) == []


def test_a_permanent_one_stays() -> None:
    world, (zone,) = make_world()
    mara = person(zone, mods=[mod(action_weights={"reflect": 90.0}).model_dump()])
    live(world, 40)
    assert {log.action for log in logs(mara)} == {"reflect"}
    mara.refresh_from_db()
    assert mara.mod_count == 1


def test_stats_and_traits_are_lent_and_not_given() -> None:
    """What a mod adds is seen by choice and act, and never written into the agent."""
    world, (zone,) = make_world()
    mara = person(zone, stats={"energy": 50}, mods=[mod(stat_modifiers={"energy": 40}).model_dump()])
    live(world)
    (log,) = logs(mara)
    assert log.decision["band"] == "high"
    mara.refresh_from_db()
    assert mara.energy == pytest.approx(50 + log.stat_changes["energy"], abs=0.01)
    assert mara.openness == 0.5


def test_one_of_the_same_name_is_replaced() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    actions.apply_mod(mara.pk, mod(duration=5), by="operator")
    second = actions.apply_mod(mara.pk, mod(duration=9), by="operator")
    actions.apply_mod(mara.pk, mod("boots"), by="operator")
    assert [m.name for m in queries.mods(mara.pk)] == ["boots", "hat"]
    assert [m.pk for m in queries.mods(mara.pk) if m.name == "hat"] == [second.pk]
    assert Agent.objects.get(pk=mara.pk).mod_count == 2
    assert Mod.objects.filter(agent_id=mara.pk, active=False).count() == 1


def test_changes_are_told() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    actions.apply_mod(mara.pk, mod(), by="operator")
    actions.remove_mod(mara.pk, "hat", by="operator")
    told = [e.payload for e in events(zone.pk) if e.topic == f"agent.{mara.pk}.changed"]
    assert [(p["what"], p["was"], p["now"]) for p in told] == [("mod_applied", "", "hat"), ("mod_removed", "hat", "")]


def test_what_is_not_in_force_cannot_be_taken_off() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    with pytest.raises(NotFound, match="Mara has no mod 'hat' in force"):
        actions.remove_mod(mara.pk, "hat", by="operator")


def test_mods_of_many_end_together() -> None:
    world, (zone,) = make_world()
    people(zone, 30, mods=[mod(duration=2).model_dump(), mod("boots").model_dump()])
    live(world, 2)
    assert set(Agent.objects.values_list("mod_count", flat=True)) == {2}
    live(world, 1)
    assert set(Agent.objects.values_list("mod_count", flat=True)) == {1}
    assert set(Mod.objects.filter(active=True).values_list("name", flat=True)) == {"boots"}
    assert str(Mod.objects.filter(active=True).first()) == "boots"

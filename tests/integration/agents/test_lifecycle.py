"""Which states lead where, all or none, with counts, turns and events right; also when several people try at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from agents import actions
from agents.actions import locks
from agents.errors import NotFound, WrongState
from agents.models import TRANSITIONS, Agent, Lifecycle
from domains.ids import new_id
from tests.integration.agents.living import check_counts, events, live, logs, make_world, people, person
from tests.threads import at_once
from zones.errors import ZoneFull
from zones.models import Zone

pytestmark = pytest.mark.django_db

WAYS: dict[str, Callable[..., list[Agent]]] = {
    Lifecycle.ACTIVE: actions.activate,
    Lifecycle.SUSPENDED: actions.suspend,
    Lifecycle.ARCHIVED: actions.archive,
    Lifecycle.DORMANT: actions.unarchive,
}
ALLOWED = {
    ("seed", "dormant"), ("dormant", "active"), ("dormant", "archived"), ("active", "suspended"),
    ("active", "archived"), ("suspended", "active"), ("suspended", "archived"), ("archived", "dormant"),
}  # fmt: skip


def put(agent: Agent, state: str) -> None:
    Agent.objects.filter(pk=agent.pk).update(lifecycle=state)
    if state == "archived":
        Zone.objects.filter(pk=agent.zone_id).update(agent_count=0)


def test_the_table_is_the_documented_one() -> None:
    assert {(was, to) for was, ways in TRANSITIONS.items() for to in ways} == ALLOWED


@pytest.mark.parametrize("to", WAYS)
@pytest.mark.parametrize("was", Lifecycle.values)
def test_each_transition(was: str, to: str) -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    put(mara, was)
    if (was, to) in ALLOWED:
        (after,) = WAYS[to]([mara.pk], by="operator")
        assert after.lifecycle == to
        (told,) = [e for e in events(zone.pk) if e.topic == f"agent.{mara.pk}.changed"]
        assert (told.payload["was"], told.payload["now"], told.actor) == (was, to, "operator")
    else:
        before = len(events(zone.pk))
        with pytest.raises(WrongState, match=f"Mara is {was}; from there it can become "):
            WAYS[to]([mara.pk], by="operator")
        assert Agent.objects.get(pk=mara.pk).lifecycle == was
        assert len(events(zone.pk)) == before
    check_counts(world)


def test_all_or_none() -> None:
    world, (zone,) = make_world()
    three = people(zone, 3)
    put(three[2], "suspended")
    with pytest.raises(WrongState):
        actions.suspend([a.pk for a in three], by="operator")
    assert sorted(Agent.objects.values_list("lifecycle", flat=True)) == ["active", "active", "suspended"]
    assert [a.lifecycle for a in actions.suspend([a.pk for a in three[:2]], by="operator")] == ["suspended"] * 2
    assert world.pk


@pytest.mark.parametrize("way", WAYS.values())
def test_nobody_and_strangers_are_not_found(way: Callable[..., Any]) -> None:
    with pytest.raises(NotFound, match="no agent was named"):
        way([], by="operator")
    stranger = new_id()
    with pytest.raises(NotFound, match=f"there is no agent {stranger}"):
        way([stranger], by="operator")


def test_naming_somebody_twice_is_naming_them_once() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    assert len(actions.archive([mara.pk, mara.pk], by="operator")) == 1
    zone.refresh_from_db()
    assert zone.agent_count == 0


def test_the_suspended_rest_and_go_on_where_they_stopped() -> None:
    world, (zone,) = make_world()
    mara, _ = person(zone), person(zone, "Ben")
    live(world, 2)
    actions.suspend([mara.pk], by="operator", reason="too loud")
    live(world, 3)
    (after,) = actions.activate([mara.pk], by="operator")
    assert (after.tick_number, after.due_tick, after.last_tick) == (2, 6, 5)
    live(world, 2)
    assert [log.world_tick for log in logs(mara)] == [1, 2, 6, 7]
    reasons = [e.payload["reason"] for e in events(zone.pk) if e.topic == f"agent.{mara.pk}.changed"]
    assert reasons == ["too loud", ""]


def test_who_wakes_in_a_sleeping_zone_has_its_turn() -> None:
    """The zone was not due for long; it is now."""
    world, (zone,) = make_world({"environment_interval": 1000})
    mara = person(zone, tick_interval=500)
    actions.suspend([mara.pk], by="operator")
    live(world, 3)
    actions.activate([mara.pk], by="operator")
    live(world, 1)
    assert [log.world_tick for log in logs(mara)] == [4]


def test_the_archived_leave_their_place_and_may_come_back() -> None:
    world, (zone,) = make_world({"capacity": 1})
    mara = person(zone)
    live(world)
    actions.archive([mara.pk], by="operator")
    assert [e.payload["name"] for e in events(zone.pk, "agent_left")] == ["Mara"]
    ben = person(zone, "Ben")
    with pytest.raises(ZoneFull):
        actions.unarchive([mara.pk], by="operator")
    assert Agent.objects.get(pk=mara.pk).lifecycle == "archived"
    actions.archive([ben.pk], by="operator")
    actions.unarchive([mara.pk], by="operator")
    check_counts(world)
    live(world, 2)
    assert len(logs(mara)) == 1  # dormant: back, but asleep
    actions.activate([mara.pk], by="operator")
    live(world)
    assert [log.tick_number for log in logs(mara)] == [1, 2]


def test_people_of_several_zones_at_once() -> None:
    world, zones = make_world({}, {}, {})
    crowd = [a for n, zone in enumerate(zones) for a in people(zone, 2, first=10 * n)]
    actions.archive([a.pk for a in crowd], by="operator")
    assert set(Zone.objects.filter(world=world).values_list("agent_count", flat=True)) == {0}
    assert all(len(events(zone.pk, "agent_left")) == 2 for zone in zones)
    check_counts(world)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_suspend_at_once_one_succeeds() -> None:
    world, (zone,) = make_world()
    mara = person(zone)

    def suspend() -> str:
        try:
            actions.suspend([mara.pk], by="operator")
        except WrongState:
            return "refused"
        return "done"

    assert sorted(at_once(*[suspend] * 6)) == ["done"] + ["refused"] * 5
    assert len([e for e in events(zone.pk) if e.topic.endswith(".changed") and "agent" in e.topic]) == 1
    check_counts(world)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_archive_at_once_one_frees_the_place() -> None:
    world, (zone,) = make_world()
    crowd = people(zone, 5)

    def archive() -> int:
        try:
            return len(actions.archive([a.pk for a in crowd], by="operator"))
        except WrongState:
            return 0

    assert sorted(at_once(*[archive] * 4)) == [0, 0, 0, 5]
    check_counts(world)


@pytest.mark.django_db(transaction=True)
def test_who_keeps_moving_while_their_zone_is_locked_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And zones that were locked in vain are let go, or the order of locks would be lost."""
    from zones.actions import places

    _, (one, two) = make_world({}, {})
    mara = person(one)
    lock_many, seen = places.lock_many, []

    def and_gone(zone_ids: Any) -> Any:
        wanted = list(zone_ids)
        seen.append(wanted)
        if len(seen) == 1:
            Agent.objects.filter(pk=mara.pk).update(zone=two)
        return lock_many(wanted)

    monkeypatch.setattr(places, "lock_many", and_gone)
    with transaction.atomic():
        # What the first attempt wrote is undone with its locks, so here the move is made for good.
        Agent.objects.filter(pk=mara.pk).update(zone=one)
        agents, zones = locks.lock([mara.pk])
    assert len(seen) == 2
    assert zones.keys() == {agents[0].zone_id}


def test_whoever_never_stays_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from zones.actions import places

    _, (one, two) = make_world({}, {})
    mara = person(one)
    lock_many = places.lock_many

    def and_gone(zone_ids: Any) -> Any:
        Agent.objects.filter(pk=mara.pk).update(zone=two)
        return lock_many(zone_ids)

    monkeypatch.setattr(places, "lock_many", and_gone)
    with pytest.raises(WrongState, match="keep moving"):
        actions.suspend([mara.pk], by="operator")
    mara.refresh_from_db()
    assert (mara.zone_id, mara.lifecycle) == (one.pk, "active")

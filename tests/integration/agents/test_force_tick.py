"""A person makes an agent tick now: an input, told before what it causes."""

import threading

import pytest
from django.db import connection

from agents import actions
from agents.engine import loop
from agents.errors import NotFound, WrongState
from agents.models import Agent
from domains.ids import new_id
from tests.integration.agents.living import allow, check_counts, events, live, logs, make_world, people, person
from zones.actions import clock
from zones.models import World

pytestmark = pytest.mark.django_db


def test_it_ticks_though_it_is_not_due() -> None:
    world, (zone,) = make_world()
    mara = person(zone, tick_interval=100)
    live(world, 5)
    assert actions.force_tick(mara.pk, by="operator") == 2
    assert actions.force_tick(mara.pk, by="operator") == 3
    mara.refresh_from_db()
    assert (mara.tick_number, mara.last_tick, mara.due_tick) == (3, 5, 105)
    assert [(log.tick_number, log.world_tick) for log in logs(mara)] == [(1, 1), (2, 5), (3, 5)]
    assert World.objects.get(pk=world.pk).tick == 5


def test_the_input_stands_before_what_it_causes() -> None:
    world, (zone,) = make_world()
    mara, _ = person(zone), person(zone, "Ben")
    live(world, 2)
    actions.force_tick(mara.pk, by="operator")
    *_, forced, ticked = [e for e in events(zone.pk) if not e.topic.endswith("resource_changed")]
    assert forced.topic.endswith(".tick_forced")
    assert (forced.actor, forced.payload["name"], forced.payload["world_tick"]) == ("operator", "Mara", 2)
    assert ticked.topic.endswith(".agent_ticked")
    assert (ticked.payload["name"], ticked.payload["tick_number"]) == ("Mara", 3)
    assert ticked.seq == forced.seq + 1


def test_nobody_else_ticks_with_it_and_the_world_goes_on() -> None:
    world, (zone,) = make_world()
    crowd = people(zone, 5, interval=3)
    live(world, 3)
    actions.force_tick(crowd[0].pk, by="operator")
    assert len(logs(world)) == 6
    live(world, 6)
    for agent in crowd[1:]:
        assert len(logs(agent)) == 3
    assert [log.world_tick for log in logs(crowd[0])] == [1, 3, 6, 9]
    check_counts(world)


@pytest.mark.parametrize("state", ["seed", "dormant", "suspended", "archived"])
def test_only_the_active_tick(state: str) -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    Agent.objects.filter(pk=mara.pk).update(lifecycle=state)
    with pytest.raises(WrongState, match=f"Mara is {state}; only active agents tick"):
        actions.force_tick(mara.pk, by="operator")
    assert logs(mara) == []
    assert not events(zone.pk, "tick_forced")


def test_a_stranger_is_not_found() -> None:
    with pytest.raises(NotFound):
        actions.force_tick(new_id(), by="operator")


@pytest.mark.django_db(transaction=True)
def test_while_the_engine_runs() -> None:
    """Forced and ordinary ticks of the same agents at once: each is counted once and logged once."""
    world, (zone,) = make_world({"capacity": 50})
    crowd = people(zone, 20, interval=2)
    allow(world, 40)
    forced: list[int] = []
    failures: list[Exception] = []

    def force() -> None:
        try:
            while clock.anything_to_do(world.pk) and len(forced) < 200:
                forced.append(actions.force_tick(crowd[len(forced) % 20].pk, by="operator"))
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=force)
    thread.start()
    while clock.anything_to_do(world.pk):
        loop.run(seconds=1, world_id=world.pk)
    thread.join(60)
    assert not failures
    assert len(forced) > 5
    world.refresh_from_db()
    assert world.tick == 40
    told = [(e.payload["agent_id"], e.payload["tick_number"]) for e in events(zone.pk, "agent_ticked")]
    assert len(told) == len(set(told)) == len(logs(world))
    for agent in Agent.objects.filter(world=world):
        assert [log.tick_number for log in logs(agent)] == list(range(1, agent.tick_number + 1))
    inputs = [(e.payload["agent_id"], e.seq) for e in events(zone.pk, "tick_forced")]
    assert len(inputs) == len(forced)
    by_seq = {e.seq: e for e in events(zone.pk)}
    assert all(by_seq[seq + 1].payload["agent_id"] == agent_id for agent_id, seq in inputs)

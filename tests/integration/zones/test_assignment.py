"""Zones have a live node each, all processes agree which, and each change is an event of the zone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from domains.thunderflow import queries as log
from domains.thunderflow.payloads import typed
from domains.thunderlink import nodes
from tests.conftest import CountQueries
from tests.factories import let_nodes_pass, make_world
from tests.threads import at_once, threads, wait_for_lock
from zones import assignment, events, queries
from zones.actions import places
from zones.errors import NotFound
from zones.models import Zone

pytestmark = pytest.mark.django_db

ONE, OTHER = "ws://one:8000", "ws://other:8000"


def make_zones(count: int = 3, *, sessions: int = 0) -> list[UUID]:
    world = make_world(zones=count, agents=0)
    Zone.objects.update(active_session_count=sessions)
    return [zone.pk for zone in queries.zones(world.pk)]


def told(zone_id: UUID) -> list[log.StoredEvent]:
    found = log.read_stream(f"zone:{zone_id}", after=0)
    return [event for event in found if event.topic == f"zone.{zone_id}.host_changed"]


def servers(zone_ids: Sequence[UUID]) -> set[UUID | None]:
    return set(Zone.objects.filter(pk__in=zone_ids).values_list("assigned_server", flat=True))


# --- Assigning -----------------------------------------------------------------------------------------------


def test_a_zone_gets_a_live_node_and_tells_it() -> None:
    (zone_id, *_) = make_zones()
    node_id = nodes.register(ONE)
    assert assignment.address_of(zone_id) is None
    assert assignment.assign([zone_id]) == {zone_id: ONE}
    assert assignment.address_of(zone_id) == ONE
    (event,) = told(zone_id)
    change = typed(event)
    assert isinstance(change, events.HostChanged)
    assert (change.was, change.now, change.address) == (None, node_id, ONE)
    assert change.timestamp.tzinfo is not None


def test_a_zone_that_is_served_stays_where_it_is() -> None:
    zone_ids = make_zones()
    nodes.register(ONE)
    assignment.assign(zone_ids)
    for i in range(9):
        nodes.register(f"ws://new:{i}")
    assert assignment.assign(zone_ids) == dict.fromkeys(zone_ids, ONE)
    assert [len(told(zone_id)) for zone_id in zone_ids] == [1, 1, 1]


def test_without_a_node_nothing_is_changed() -> None:
    zone_ids = make_zones()
    nodes.leave(nodes.register(ONE))
    assert assignment.assign(zone_ids) == {}
    assert servers(zone_ids) == {None}
    assert assignment.release_dead() == []
    assert assignment.assign([]) == {}


def test_an_unknown_zone_is_refused_and_nothing_assigned() -> None:
    zone_ids = make_zones()
    nodes.register(ONE)
    with pytest.raises(NotFound):
        assignment.assign([*zone_ids, uuid4()])
    assert servers(zone_ids) == {None}
    assert assignment.address_of(uuid4()) is None


def test_a_silent_node_is_left_before_anybody_noted_its_death() -> None:
    zone_ids = make_zones()
    dead = nodes.register(ONE)
    assignment.assign(zone_ids)
    let_nodes_pass(5, dead)
    alive = nodes.register(OTHER)
    assert assignment.addresses(zone_ids) == {}
    assert assignment.assign(zone_ids[:1]) == {zone_ids[0]: OTHER}
    change = told(zone_ids[0])[-1].payload
    assert (change["was"], change["now"], change["address"]) == (str(dead), str(alive), OTHER)


def test_busy_nodes_are_spared_and_draws_decide() -> None:
    zone_ids = make_zones(60)
    for i, sessions in enumerate((0, 700, 0)):
        nodes.beat(nodes.register(f"ws://host:{i}"), sessions=sessions, cpu=0.1, memory_mb=50)
    found = assignment.assign(zone_ids, chance=Random(3))
    counts = [list(found.values()).count(f"ws://host:{i}") for i in range(3)]
    assert counts[1] <= 2
    assert min(counts[0], counts[2]) >= 15
    Zone.objects.update(assigned_server=None)
    assert assignment.assign(zone_ids, chance=Random(3)) == found


def test_many_zones_cost_as_many_queries_as_one(count_queries: CountQueries) -> None:
    zone_ids = make_zones(30)
    nodes.register(ONE)
    with count_queries() as one:
        assignment.assign(zone_ids[:1])
    with count_queries() as many:
        assignment.assign(zone_ids[1:])
    with count_queries() as served:
        assignment.assign(zone_ids)
    assert len(one) == len(many)
    assert len(served) == 2
    assert not [text for text in served if "FOR " in text], "nobody's tick waits"


# --- Dying ---------------------------------------------------------------------------------------------------


def test_zones_of_a_dead_node_move_and_tell_it() -> None:
    zone_ids = make_zones(5, sessions=2)
    dead = nodes.register(ONE)
    assignment.assign(zone_ids)
    alive = nodes.register(OTHER)
    assert assignment.release_dead() == []
    let_nodes_pass(6, dead)
    assert assignment.release_dead() == sorted(zone_ids)
    assert servers(zone_ids) == {alive}
    for zone_id in zone_ids:
        change = told(zone_id)[-1].payload
        assert (change["was"], change["now"], change["address"]) == (str(dead), str(alive), OTHER)
    assert log.read_stream("system", after=0)[-1].topic == "system.node_died"
    assert assignment.release_dead() == []


def test_zones_of_a_node_that_left_move_too() -> None:
    zone_ids = make_zones(sessions=1)
    left = nodes.register(ONE)
    assignment.assign(zone_ids)
    nodes.register(OTHER)
    nodes.leave(left)
    assert assignment.release_dead() == sorted(zone_ids)


def test_a_zone_in_which_nobody_is_waits_for_its_next_session() -> None:
    zone_ids = make_zones()
    Zone.objects.filter(pk=zone_ids[0]).update(active_session_count=1)
    dead = nodes.register(ONE)
    assignment.assign(zone_ids)
    nodes.register(OTHER)
    let_nodes_pass(6, dead)
    assert assignment.release_dead() == zone_ids[:1]
    assert servers(zone_ids[1:]) == {dead}
    assert assignment.assign(zone_ids) == dict.fromkeys(zone_ids, OTHER)


def test_a_zone_with_sessions_and_no_node_yet_gets_one() -> None:
    zone_ids = make_zones(sessions=1)
    assert assignment.release_dead() == []
    nodes.register(ONE)
    assert assignment.release_dead() == sorted(zone_ids)


def test_zones_move_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "MOVED_AT_ONCE", 2)
    zone_ids = make_zones(5, sessions=1)
    nodes.register(ONE)
    assert assignment.release_dead() == sorted(zone_ids)


def test_a_zone_deleted_meanwhile_holds_up_only_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "MOVED_AT_ONCE", 2)
    zone_ids = sorted(make_zones(4, sessions=1))
    nodes.register(ONE)
    look, gone = places.lock_many, zone_ids[0]

    def lock_many(ids: Any) -> Any:
        Zone.objects.filter(pk=gone).delete()
        return look(ids)

    monkeypatch.setattr(places, "lock_many", lock_many)
    assert assignment.release_dead() == zone_ids[2:]
    assert assignment.release_dead() == zone_ids[1:2]


def test_looking_when_all_is_well_costs_three_queries(count_queries: CountQueries) -> None:
    zone_ids = make_zones(10, sessions=1)
    nodes.register(ONE)
    assignment.assign(zone_ids)
    with count_queries() as statements:
        assert assignment.release_dead() == []
    assert len(statements) == 3
    assert not [text for text in statements if "pac_zones" in text and "FOR " in text]


# --- Many processes ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_processes_that_assign_at_once_agree() -> None:
    zone_ids = make_zones(20)
    for i in range(5):
        nodes.register(f"ws://host:{i}")
    found = at_once(*[lambda: assignment.assign(zone_ids)] * 4, *[lambda: assignment.assign(zone_ids[::-1])] * 2)
    assert all(addresses == found[0] for addresses in found)
    assert len(found[0]) == 20
    assert [len(told(zone_id)) for zone_id in zone_ids] == [1] * 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_processes_that_notice_a_death_at_once_move_each_zone_once() -> None:
    zone_ids = make_zones(20, sessions=1)
    dead = nodes.register(ONE)
    assignment.assign(zone_ids)
    for i in range(5):
        nodes.register(f"ws://host:{i}")
    let_nodes_pass(6, dead)
    moved = at_once(*[assignment.release_dead] * 5)
    assert sorted(pk for some in moved for pk in some) == sorted(zone_ids)
    assert [len(told(zone_id)) for zone_id in zone_ids] == [2] * 20
    died = [event for event in log.read_stream("system", after=0) if event.topic == "system.node_died"]
    assert len(died) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_who_waited_for_the_lock_knows_a_node_that_came_meanwhile() -> None:
    (zone_id, *_) = make_zones()
    with threads() as started:
        with transaction.atomic():
            places.lock_many([zone_id])
            late = started.start(lambda: assignment.assign([zone_id]))
            wait_for_lock()
            node_id = nodes.register(ONE)
            Zone.objects.filter(pk=zone_id).update(assigned_server=node_id)
        assert late.result(30) == {zone_id: ONE}
    assert told(zone_id) == []

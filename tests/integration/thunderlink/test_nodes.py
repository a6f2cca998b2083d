"""Web processes that live, leave, die and come back; each is told once, whoever notices."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, close_old_connections, transaction
from django.utils import timezone

from domains import sql
from domains.thunderflow import queries as log
from domains.thunderflow.payloads import typed
from domains.thunderlink import events, nodes
from domains.thunderlink.models import Node
from tests.conftest import CountQueries
from tests.factories import let_nodes_pass
from tests.threads import at_once, break_connection, threads, wait_for_lock

pytestmark = pytest.mark.django_db

ONE, OTHER = "ws://one:8000", "ws://other:8000"


def beat(node_id: UUID, **figures: Any) -> None:
    nodes.beat(node_id, **{"sessions": 3, "cpu": 0.25, "memory_mb": 120.0, **figures})


def told() -> list[tuple[str, str]]:
    """What happened to whom, by address."""
    found = [event for event in log.read_stream("system", after=0) if event.topic.startswith("system.node_")]
    return [(event.topic.removeprefix("system.node_"), event.payload["address"]) for event in found]


def addresses() -> list[str]:
    return [node.address for node in nodes.live()]


# --- Living --------------------------------------------------------------------------------------------------


def test_a_node_that_registers_lives_at_once() -> None:
    node_id = nodes.register(ONE)
    (node,) = nodes.live()
    assert (node.id, node.name, node.address, node.pid) == (node_id, socket.gethostname(), ONE, os.getpid())
    assert (node.sessions, node.cpu, node.memory_mb) == (0, 0, 0)
    (event,) = log.read_stream("system", after=0)
    assert typed(event) == events.NodeJoined(node_id=node_id, name=node.name, address=ONE, pid=node.pid)


def test_a_beat_is_one_update_and_no_event(count_queries: CountQueries) -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(4)
    with count_queries() as statements:
        beat(node_id)
    assert len(statements) == 1 and statements[0].startswith('UPDATE "nodes"')
    (node,) = nodes.live()
    assert (node.sessions, node.cpu, node.memory_mb) == (3, 0.25, 120.0)
    let_nodes_pass(4)
    assert addresses() == [ONE]
    assert told() == [("joined", ONE)]


@pytest.mark.parametrize("cpu", [-1, 2.5, float("nan"), float("inf")])
def test_an_odd_figure_stops_no_beat(cpu: float) -> None:
    beat(nodes.register(ONE), cpu=cpu, sessions=-1)
    (node,) = nodes.live()
    assert 0 <= node.cpu <= 1
    assert node.sessions == 0


def test_five_seconds_of_silence_are_death_to_everybody() -> None:
    node_id = nodes.register(ONE)
    seen_at = Node.objects.get(pk=node_id).seen_at
    assert [node.id for node in nodes.live(seen_at + timedelta(seconds=4.999))] == [node_id]
    assert nodes.live(seen_at + timedelta(seconds=5)) == []
    let_nodes_pass(5)
    assert nodes.live() == [], "before anybody has noted it"


def test_nodes_come_in_the_order_of_their_ids() -> None:
    ids = [nodes.register(f"ws://host:{i}") for i in range(5)]
    assert [node.id for node in nodes.live()] == sorted(ids)


# --- Dying, leaving, coming back -----------------------------------------------------------------------------


def test_a_death_is_told_once() -> None:
    dead, _ = nodes.register(ONE), nodes.register(OTHER)
    let_nodes_pass(5, dead)
    assert nodes.mark_dead() == [dead]
    assert nodes.mark_dead() == []
    assert told() == [("joined", ONE), ("joined", OTHER), ("died", ONE)]
    assert addresses() == [OTHER]


def test_one_that_was_taken_for_dead_comes_back() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(6)
    nodes.mark_dead()
    beat(node_id, sessions=7)
    assert [(node.id, node.sessions) for node in nodes.live()] == [(node_id, 7)]
    assert told() == [("joined", ONE), ("died", ONE), ("joined", ONE)]


def test_one_that_slept_and_was_not_missed_just_goes_on() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(600)
    beat(node_id)
    assert addresses() == [ONE]
    assert told() == [("joined", ONE)]


def test_one_whose_row_was_swept_registers_anew() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(nodes.SWEPT_S + 1)
    assert nodes.sweep() == 1
    beat(node_id)
    assert [(node.id, node.address, node.sessions) for node in nodes.live()] == [(node_id, ONE, 3)]
    assert told() == [("joined", ONE), ("died", ONE), ("joined", ONE)]


def test_a_beat_of_nobody_is_refused() -> None:
    with pytest.raises(nodes.UnknownNode):
        beat(uuid4())


def test_a_node_that_leaves_is_gone_at_once_and_for_good() -> None:
    node_id = nodes.register(ONE)
    beat(node_id)
    nodes.leave(node_id)
    nodes.leave(node_id)
    beat(node_id)
    assert nodes.live() == []
    assert Node.objects.get(pk=node_id).sessions == 0
    let_nodes_pass(6)
    assert nodes.mark_dead() == []
    assert told() == [("joined", ONE), ("left", ONE)]


def test_a_dead_one_cannot_leave() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(6)
    nodes.mark_dead()
    nodes.leave(node_id)
    assert told() == [("joined", ONE), ("died", ONE)]


def test_rows_go_after_an_hour() -> None:
    gone, silent, left = (nodes.register(f"ws://host:{i}") for i in range(3))
    let_nodes_pass(nodes.SWEPT_S + 1)
    beat(gone)
    beat(left)
    nodes.leave(left)
    assert nodes.sweep() == 1, "the one that nobody had missed"
    assert not Node.objects.filter(pk=silent).exists()
    let_nodes_pass(nodes.SWEPT_S + 1)
    assert nodes.sweep() == 2
    assert not Node.objects.exists()
    assert [what for what, _ in told()] == ["joined"] * 3 + ["left", "died", "died"]


def test_what_cannot_be_is_no_row() -> None:
    now = timezone.now()
    for fields in ({"address": ""}, {"cpu": 1.5}, {"sessions": -1}):
        row = {"name": "n", "address": ONE, "pid": 1, "started_at": now, "seen_at": now, **fields}
        with pytest.raises(IntegrityError), transaction.atomic():
            Node.objects.create(**row)


# --- Many processes ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_many_who_look_at_once_tell_each_death_once() -> None:
    dead = [nodes.register(f"ws://host:{i}") for i in range(10)]
    let_nodes_pass(6)
    marked = at_once(*[nodes.mark_dead] * 4, *[nodes.sweep] * 2)
    assert sum(len(found) for found in marked[:4]) <= 10
    assert len([what for what, _ in told() if what == "died"]) == 10
    assert Node.objects.filter(pk__in=dead, status="dead").count() == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_one_that_is_taken_for_dead_while_it_beats_comes_back() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(6)
    with threads() as started:
        with transaction.atomic():
            nodes.mark_dead()
            late = started.start(lambda: beat(node_id))
            wait_for_lock()
        late.result(30)
    assert addresses() == [ONE]
    assert told() == [("joined", ONE), ("died", ONE), ("joined", ONE)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_one_that_beats_while_somebody_looks_is_not_waited_for() -> None:
    node_id = nodes.register(ONE)
    let_nodes_pass(6)
    with threads() as started, transaction.atomic():
        sql.execute("SELECT 1 FROM nodes WHERE id = %s FOR UPDATE", [node_id])
        assert started.start(nodes.mark_dead).result(30) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_a_beat_outlives_its_connection() -> None:
    """After a restart of PostgreSQL nodes must not stay dead for as long as connections are kept."""
    node_id = nodes.register(ONE)

    def go_on() -> None:
        beat(node_id)
        break_connection()
        close_old_connections()
        beat(node_id, sessions=9)

    with threads() as started:
        started.start(go_on).result(30)
    assert [node.sessions for node in nodes.live()] == [9]

"""What clients get of a zone's stream: all of it, once, in order, whenever they join."""

from __future__ import annotations

import threading

import pytest

from tests.phoenix import Channel
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(channel: Channel) -> list[int]:
    return [event.seq for event in channel.events("notice_written") if event.seq is not None]


def wait_for_number(channel: Channel, last: int) -> None:
    channel.wait_until(lambda events: any(event.seq == last for event in events[-50:]), what=f"number {last}")


@pytest.mark.parametrize("batch", [False, True])
def test_events_come_once_and_in_order(serve: StartServer, batch: bool) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        channel = client.join(scene.topic, batch=batch)
        first = scene.tell(1)
        for _ in range(20):
            last = scene.tell(10)
        wait_for_number(channel, last)
        assert numbers(channel) == list(range(first, last + 1))


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("missed", [1, 50, 5000])
def test_who_comes_back_gets_what_was_missed_and_goes_on(serve: StartServer, batch: bool, missed: int) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        since = scene.tell(1)
        scene.tell(missed)
        publishing = threading.Event()

        def publish() -> None:
            from django.db import connection

            for _ in range(30):
                scene.tell(5)
            publishing.set()
            connection.close()

        thread = threading.Thread(target=publish)
        thread.start()
        channel = client.join(scene.topic, since=since, batch=batch)
        thread.join()
        assert publishing.is_set()
        last = scene.tell(1)
        wait_for_number(channel, last)
        assert not channel.joined["resync"]
        assert numbers(channel) == scene.notices(after=since)


@pytest.mark.parametrize("missed", [0, 5000])
def test_one_is_told_when_nothing_missed_is_left(serve: StartServer, missed: int) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        since = scene.tell(1)
        last = scene.tell(missed) if missed else since
        channel = client.join(scene.topic, since=since, batch=True, caught_up=True)
        told = channel.wait_for("caught_up")
        before = [event.seq for event in channel.events() if event.order < told.order and event.seq is not None]
        assert before == list(range(since + 1, told.payload["seq"] + 1))
        assert told.payload["seq"] >= last


def test_who_missed_too_much_begins_anew(serve: StartServer) -> None:
    scene = Scene()
    since = scene.tell(1)
    for _ in range(6):
        last = scene.tell(2000)
    with scene.client(serve().url) as client:
        channel = client.join(scene.topic, since=since)
        assert channel.joined["resync"] is True
        assert channel.joined["seq"] >= last
        assert channel.joined["zone"]["name"] == scene.zone.name
        following = scene.tell(1)
        wait_for_number(channel, following)
        assert numbers(channel) == [following]


def test_a_number_from_elsewhere_is_no_number_of_this_log(serve: StartServer) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        assert client.join(scene.topic, since=10**9).joined["resync"] is True


@pytest.mark.parametrize("batch", [False, True])
def test_more_at_once_than_may_wait_for_a_client_closes_nobody_who_reads(serve: StartServer, batch: bool) -> None:
    scene = Scene()
    server = serve(THUNDERLINE_SOCKET_BACKLOG_KB="1000")
    with scene.client(server.url) as client:
        channel = client.join(scene.topic, batch=batch)
        last = scene.tell(2000, text="x" * 1500)
        wait_for_number(channel, last)
        with scene.client(server.url) as late:
            after = late.join(scene.topic, since=last - 2000, batch=batch)
            wait_for_number(after, last)
            assert numbers(after) == numbers(channel)[-2000:]
            assert not client.told("close") + late.told("close")


def test_many_clients_one_zone(serve: StartServer) -> None:
    scene = Scene()
    server = serve()
    with scene.client(server.url) as one, scene.client(server.url) as two:
        channels = [one.join(scene.topic), two.join(scene.topic, batch=True)]
        last = scene.tell(500)
        for channel in channels:
            wait_for_number(channel, last)
            assert numbers(channel) == list(range(last - 499, last + 1))


def test_two_servers_tell_the_same(serve: StartServer) -> None:
    scene = Scene()
    first, second = serve(), serve()
    with scene.client(first.url) as one, scene.client(second.url) as two:
        here, there = one.join(scene.topic), two.join(scene.topic)
        last = scene.tell(100)
        for channel in (here, there):
            wait_for_number(channel, last)
        assert numbers(here) == numbers(there)


def test_what_agents_write_to_each_other_is_not_shown(serve: StartServer) -> None:
    from agents import actions

    scene = Scene()
    with scene.client(serve().url) as client:
        channel = client.join(scene.topic)
        actions.send(scene.agents[0].pk, "A secret", by="user:ada")
        last = scene.tell(1)
        wait_for_number(channel, last)
        assert {event.event for event in channel.events() if event.seq} - {"host_changed"} == {"notice_written"}

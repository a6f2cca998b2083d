"""A client that loses the server, its line, or Redis comes back by itself and has every event exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from tests.own_redis import own_redis
from tests.phoenix import Channel
from tests.socket.proxy import Proxy
from tests.socket.server import StartServer, serve
from tests.socket.test_feed import numbers, wait_for_number
from tests.socket.watching import Scene
from tests.tables import commits
from thunderline import embedded
from thunderline.embedded.redis import Redis

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """Asked for before `serve`, it ends after the servers."""
    with own_redis() as server:
        yield server


class Publishing:
    """A thread that publishes until it is told to stop."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.first, self.last = scene, scene.tell(1), 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        while not self._stopping.is_set():
            self.last = self.scene.tell(3)
            time.sleep(0.02)
        connection.close()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@contextmanager
def publishing(scene: Scene) -> Iterator[Publishing]:
    made = Publishing(scene)
    try:
        yield made
    finally:
        made.stop()


def check(channel: Channel, published: Publishing) -> None:
    wait_for_number(channel, published.last)
    assert numbers(channel) == published.scene.notices(after=channel.joined["seq"])


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("kill", [False, True])
def test_the_server_starts_again(serve: StartServer, kill: bool, batch: bool) -> None:
    scene = Scene()
    server = serve()
    with scene.client(server.url) as client:
        channel = client.join(scene.topic, resume=True, batch=batch)
        with publishing(scene) as published:
            for rejoined in range(1, 3):
                time.sleep(0.5)
                server.stop(kill=kill)
                time.sleep(0.5)
                server.start()
                client.wait_told("joined", count=1 + rejoined, seconds=20)
                time.sleep(0.5)
        check(channel, published)
        assert len(channel.joins()) >= 3


def test_the_line_is_cut(serve: StartServer) -> None:
    scene = Scene()
    server = serve()
    with Proxy(server.port) as proxy, scene.client(proxy.url) as client:
        channel = client.join(scene.topic, resume=True)
        with publishing(scene) as published:
            for _ in range(4):
                time.sleep(0.5)
                proxy.cut()
                client.wait_told("close", count=1, seconds=20)
            time.sleep(1)
        check(channel, published)


def wait_to_reach(channel: Channel, number: int) -> None:
    """Until that number or a later one has come."""
    channel.wait_until(
        lambda events: any((event.seq or 0) >= number for event in events[-50:]), what=f"number {number}", seconds=30
    )


def test_the_line_falls_silent(serve: StartServer) -> None:
    """Neither end is told: the client notices that its heartbeats are not answered."""
    scene = Scene()
    server = serve()
    with Proxy(server.port) as proxy, scene.client(proxy.url, options={"heartbeatIntervalMs": 1000}) as client:
        channel = client.join(scene.topic, resume=True)
        with publishing(scene) as published:
            for rejoined in range(1, 3):
                wait_to_reach(channel, scene.tell(1))
                proxy.silence()
                client.wait_told("joined", count=1 + rejoined, seconds=60)
        check(channel, published)


def test_redis_is_gone_for_a_while(redis_server: Redis, serve: StartServer) -> None:
    """Events go on by looking, pushes are counted by the process alone; presence is whole again once Redis is back."""
    scene = Scene()
    server = serve(REDIS_URL=embedded.redis_url(redis_server.places.var))
    here, there = (str(agent.pk) for agent in scene.agents[:2])
    with scene.client(server.url) as client, scene.client(server.url) as other:
        channel = client.join(scene.topic, resume=True, agent_id=here)
        channel.wait_present({here})
        with publishing(scene) as published:
            redis_server.stop()
            wait_to_reach(channel, scene.tell(1))
            other.join(scene.topic, agent_id=there)
            assert channel.push("say", text="Who is there?")["seq"]
            redis_server.start()
            channel.wait_present({here, there}, seconds=30)
        check(channel, published)
        assert channel.push("say", text="Still here.")["seq"]
        assert not client.told("close") + other.told("close")


def test_redis_starts_again(serve: StartServer) -> None:
    import redis
    from django.conf import settings

    scene = Scene()
    server = serve()
    with scene.client(server.url) as client:
        channel = client.join(scene.topic, resume=True, agent_id=scene.agents[0].pk)
        with publishing(scene) as published:
            time.sleep(0.5)
            # As a restart looks to clients: all lines are cut, and what Redis held is gone.
            with redis.Redis.from_url(settings.REDIS_URL) as admin:
                mine = admin.client_info()
                admin.flushdb()
                for client_of in admin.client_list():
                    if client_of["db"] == str(mine["db"]) and client_of["id"] != str(mine["id"]):
                        admin.client_kill_filter(_id=client_of["id"])
            time.sleep(2)
        check(channel, published)
        channel.wait_present({str(scene.agents[0].pk)})
        assert channel.push("say", text="still here")["seq"]
        assert not client.told("close")

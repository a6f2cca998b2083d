"""Two web processes on two ports: a zone's people are sent to one, and to the other when that dies."""

from __future__ import annotations

import time
import urllib.request

import pytest

from domains.thunderlink import nodes
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones import assignment, presence

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dead_nodes_zones_move_to_one_that_lives(serve: StartServer) -> None:
    scene = Scene()
    servers = {f"ws://{server.host}": server for server in (serve(), serve())}
    wait_for_nodes(2)
    with scene.client(next(iter(servers.values())).url) as asking:
        host = asking.join(scene.topic).joined["zone"]["host"]
    (other,) = servers.keys() - {host}
    with scene.client(servers[other].url) as client:
        channel = client.join(scene.topic)
        assert channel.joined["zone"]["host"] == host
        servers[host].stop(kill=True)
        wait_for_nodes(1)
        for _ in range(100):  # as the heartbeat does each second
            presence.follow_counts()
            if assignment.release_dead() == [scene.zone.pk]:
                break
            time.sleep(0.1)
        assert channel.wait_for("host_changed").payload["address"] == other
        state = channel.push("get_zone_state")["zone"]
        assert (state["id"], state["host"]) == (str(scene.zone.pk), other)


def test_a_node_that_is_asked_to_end_leaves(serve: StartServer) -> None:
    Scene()
    server = serve()
    wait_for_nodes(1)
    server.stop()
    wait_for_nodes(0)


def wait_for_nodes(count: int) -> None:
    deadline = time.monotonic() + 10
    while len(nodes.live()) != count:
        assert time.monotonic() < deadline, nodes.live()
        time.sleep(0.1)


def test_metrics_tell_of_the_socket(serve: StartServer) -> None:
    scene = Scene()
    server = serve()
    with scene.client(server.url) as client:
        channel = client.join(scene.topic, agent_id=scene.agents[0].pk)
        channel.push("say", text="Hello")
        channel.wait_for("said")
        time.sleep(1.5)
        with urllib.request.urlopen(f"{server.origin}/metrics") as answer:
            text = answer.read().decode()
    for sample in (
        "thunderline_socket_connections 1.0",
        "thunderline_socket_joined 1.0",
        "thunderline_presence_sessions 1.0",
        'thunderline_socket_joins_total{result="ok",topic="zone"} 1.0',
        'thunderline_socket_pushes_total{event="say",result="ok"} 1.0',
        f'thunderline_socket_events_total{{event="said",topic="{scene.topic}"}} 1.0',
        "thunderline_socket_deliveries_total",
        "thunderline_socket_late_total",
        "thunderline_socket_batch_events_count",
        "thunderline_socket_batch_age_seconds_count",
    ):
        assert sample in text, sample

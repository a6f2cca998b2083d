"""Who is in a zone, as the Phoenix client's own Presence tells it, over several web processes."""

from __future__ import annotations

import time

import pytest
import redis
from django.conf import settings

from tests.phoenix import PhoenixClient
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones import presence
from zones.models import Zone

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def keys_left(topic: str) -> list[bytes]:
    """What Redis has of a topic."""
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        return list(store.keys(f"*{topic}*"))


def wait_for_count(scene: Scene, count: int) -> None:
    """Until the zone's row says how many there are, as the heartbeat sees to each second."""
    deadline = time.monotonic() + 10
    while Zone.objects.get(pk=scene.zone.pk).active_session_count != count:
        assert time.monotonic() < deadline, count
        presence.follow_counts()
        time.sleep(0.1)


def test_agents_and_people_are_seen_by_all_on_every_server(serve: StartServer) -> None:
    scene = Scene()
    first, second = serve(), serve()
    here, there = scene.agents[:2]
    with scene.client(first.url) as one, scene.client(second.url) as two:
        mine = one.join(scene.topic, agent_id=here.pk, activity="fishing")
        mine.wait_present({str(here.pk)})
        joined = time.monotonic()
        theirs = two.join(scene.topic, agent_id=there.pk)
        for channel in (mine, theirs):
            channel.wait_present({str(here.pk), str(there.pk)})
        assert time.monotonic() - joined < 1.5
        (meta,) = theirs.presence()[str(here.pk)]
        assert meta["activity"] == "fishing"
        assert {"joined_at", "position", "phx_ref"} <= meta.keys()
        with scene.client(second.url) as third:
            third.join(scene.topic)
            mine.wait_present({str(here.pk), str(there.pk), str(scene.user.pk)})
        mine.wait_present({str(here.pk), str(there.pk)})
        theirs.leave()
        mine.wait_present({str(here.pk)})


def test_one_agent_by_two_clients_has_two_sessions(serve: StartServer) -> None:
    scene = Scene()
    server, agent = serve(), scene.agents[0]
    with scene.client(server.url) as one, scene.client(server.url) as two:
        channel = one.join(scene.topic, agent_id=agent.pk)
        two.join(scene.topic, agent_id=agent.pk)
        one.until(lambda: True, "a moment")
        deadline = time.monotonic() + 5
        while len(channel.presence().get(str(agent.pk), [])) != 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        wait_for_count(scene, 2)


def test_a_killed_server_has_its_entries_gone_within_ten_seconds(serve: StartServer) -> None:
    scene = Scene()
    first, second = serve(), serve()
    here, there = scene.agents[:2]
    with scene.client(second.url) as watching:
        channel = watching.join(scene.topic, agent_id=there.pk)
        with scene.client(first.url) as lost:
            lost.join(scene.topic, agent_id=here.pk)
            channel.wait_present({str(here.pk), str(there.pk)})
            wait_for_count(scene, 2)
            first.stop(kill=True)
            channel.wait_present({str(there.pk)}, seconds=10)
            wait_for_count(scene, 1)


def test_presence_goes_with_an_agent_that_moves_on(serve: StartServer) -> None:
    from agents.actions import moves

    scene = Scene()
    server, agent = serve(), scene.agents[0]
    with scene.client(server.url) as one, scene.client(server.url) as two:
        one.join(scene.topic, agent_id=agent.pk)
        here = two.join(scene.topic)
        there = two.join(f"zone:{scene.other.pk}")
        here.wait_present({str(agent.pk), str(scene.user.pk)})
        moves.enter(scene.other.pk, agent.pk, user=scene.user, by="test")
        here.wait_present({str(scene.user.pk)})
        there.wait_present({str(agent.pk), str(scene.user.pk)})
        here.wait_for("agent_left", lambda payload: payload["destination"] == str(scene.other.pk))
        there.wait_for("agent_entered", lambda payload: payload["origin"] == str(scene.zone.pk))


def test_others_see_what_an_agent_does_and_where_it_stands_by_now(serve: StartServer) -> None:
    scene = Scene()
    agent, key = scene.agents[0], str(scene.agents[0].pk)
    with scene.client(serve().url) as one, scene.client(one.url) as two:
        mine = one.join(scene.topic, agent_id=agent.pk)
        theirs = two.join(scene.topic)
        theirs.wait_present({key, str(scene.user.pk)})
        (before,) = theirs.presence()[key]
        mine.push("agent_move", position={"x": 12, "y": 34, "z": 5})
        scene.world.agents.filter(pk=agent.pk).update(activity="mending nets")
        came = theirs.wait_for("presence_diff", lambda diff: key in diff["joins"], seconds=30).payload
        (after,) = came["joins"][key]["metas"]
        assert (after["position"], after["activity"]) == ({"x": 12.0, "y": 34.0, "z": 5.0}, "mending nets")
        assert after["joined_at"] == before["joined_at"]
        assert [meta["phx_ref"] for meta in came["leaves"][key]["metas"]] == [before["phx_ref"]]
        assert theirs.presence()[key] == [after]


def test_a_storm_of_disconnects_leaves_nothing_behind(serve: StartServer) -> None:
    scene = Scene()
    server = serve()
    before = server.observe()
    clients = [PhoenixClient(server.url, scene.token()) for _ in range(12)]
    try:
        for client in clients:
            client.join(scene.topic)
            client.join("agents:updates")
        assert keys_left(scene.topic)
        for client in clients[::2]:
            client.kill()
    finally:
        for client in clients:
            client.close()

    def left() -> set[str]:
        tasks = set(server.observe()["tasks"]) - set(before["tasks"])
        return {name for name in tasks if "Feed" in name or "Connection" in name}

    deadline = time.monotonic() + 60
    while keys_left(scene.topic) or left():
        assert time.monotonic() < deadline, (keys_left(scene.topic), left())
        time.sleep(0.2)
    wait_for_count(scene, 0)

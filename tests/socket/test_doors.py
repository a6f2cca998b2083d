"""Who is let in, what is refused and how, and who is put out again."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from websockets.sync.client import ClientConnection, connect

from agents import actions
from domains.thundergate import tokens
from domains.thunderlink.socket.connection import PATIENCE
from tests.factories import make_user
from tests.phoenix import Channel, PhoenixClient, Refused
from tests.socket.server import StartServer, WebServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones.actions import places
from zones.models import Permission, World, Zone

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def server(scene: Scene, serve: StartServer) -> WebServer:
    return serve()


@pytest.fixture
def client(scene: Scene, server: WebServer) -> Iterator[PhoenixClient]:
    with scene.client(server.url) as client:
        yield client


def refused(act: Any, *args: Any, **kwargs: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        act(*args, **kwargs)
    return caught.value


def shut_out(server: WebServer, **who: Any) -> bool:
    """Whether a client is not even connected."""
    with PhoenixClient(server.url, connected=False, **who) as client:
        client.wait_told("error", "open")
        return not client.told("open")


def upgrade(server: WebServer, token: str, *, host: str) -> int:
    """The status of a request for a socket; a client would not let its Host be chosen."""
    lines = (
        f"GET /socket/websocket?vsn=2.0.0&token={token} HTTP/1.1", f"Host: {host}", "Connection: Upgrade",
        "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c29tZXRoaW5nIHJhbmRvbQ==", "", "",
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall("\r\n".join(lines).encode())
        return int(line.recv(1000).split()[1])


# --- The door ------------------------------------------------------------------------------------------------


def test_only_who_is_known_gets_in(scene: Scene, server: WebServer) -> None:
    assert shut_out(server, token=None)
    assert shut_out(server, token="nonsense")
    assert shut_out(server, token=scene.token()[:-1])
    assert shut_out(server, token=scene.token(), headers={"origin": "http://evil.example"})
    assert upgrade(server, scene.token(), host="evil.example") == 403
    assert upgrade(server, scene.token(), host=server.host) == 101
    assert not shut_out(server, token=scene.token(), headers={"origin": server.origin})


def test_a_session_gets_in_from_our_pages_only(scene: Scene, server: WebServer) -> None:
    ours = server.cookies(scene.user)
    assert not shut_out(server, token=None, headers=ours)
    assert shut_out(server, token=None, headers=ours | {"origin": "http://evil.example"})


def test_an_expired_token_and_a_disabled_account(scene: Scene, server: WebServer) -> None:
    short = scene.token(ttl_s=0.3)
    time.sleep(0.5)
    assert shut_out(server, token=short)
    token = scene.token()
    scene.user.is_active = False
    scene.user.save()
    assert shut_out(server, token=token)


# --- Topics --------------------------------------------------------------------------------------------------


def test_reasons_of_joins(scene: Scene, client: PhoenixClient) -> None:
    assert refused(client.join, "zone:nonsense").reason == "invalid_zone_id"
    assert refused(client.join, f"zone:{uuid4()}").reason == "zone_not_found"
    assert refused(client.join, "kitchen").reason == "unmatched topic"
    wrong = refused(client.join, scene.topic, since="yesterday")
    assert (wrong.reason, wrong.response["field"]) == ("invalid_payload", "since")
    Zone.objects.filter(pk=scene.zone.pk).update(closed=True)
    assert refused(client.join, scene.topic, agent_id=scene.agents[0].pk).reason == "access_denied"


def test_a_world_that_one_may_not_see(scene: Scene, server: WebServer) -> None:
    ada = make_user("ada")
    with PhoenixClient(server.url, tokens.issue(ada, by="test")) as client:
        assert refused(client.join, scene.topic).reason == "access_denied"
        assert refused(client.join, "agents:updates", world=scene.world.pk).reason == "access_denied"
        World.objects.filter(pk=scene.world.pk).update(access="open")
        assert client.join(scene.topic).joined["zone"]["id"] == str(scene.zone.pk)
        assert refused(client.join, scene.topic, agent_id=scene.agents[0].pk).reason == "access_denied"


def test_a_full_zone_and_one_without_a_way(scene: Scene, client: PhoenixClient) -> None:
    Zone.objects.filter(pk=scene.zone.pk).update(capacity=len(scene.agents))
    elsewhere = scene.world.agents.filter(zone=scene.other).first()
    assert refused(client.join, scene.topic, agent_id=elsewhere.pk).reason == "zone_full"
    with transaction.atomic():
        places.cut_ways([(scene.zone.pk, scene.other.pk), (scene.other.pk, scene.zone.pk)])
    assert refused(client.join, scene.topic, agent_id=elsewhere.pk).reason == "access_denied"


def test_a_domain_that_is_not_active(scene: Scene, client: PhoenixClient) -> None:
    from domains.thunderblock.models import ActiveDomain

    channel = client.join(scene.topic, agent_id=scene.agents[0].pk)
    ActiveDomain.objects.filter(domain_name="thundergrid").update(status="inactive", reason="for repairs")
    time.sleep(1.2)
    assert refused(channel.push, "agent_move", position={"x": 1, "y": 1, "z": 0}).reason == "domain_inactive"
    assert "for repairs" in refused(client.join, scene.topic).response["message"]


# --- Pushes --------------------------------------------------------------------------------------------------


def test_reasons_of_pushes(scene: Scene, client: PhoenixClient) -> None:
    channel = client.join(scene.topic, agent_id=scene.agents[0].pk)
    wrong = refused(channel.push, "agent_move", position={"x": 1e9, "y": 5, "z": 0})
    assert (wrong.reason, wrong.response["field"]) == ("invalid_payload", "position.x")
    Zone.objects.filter(pk=scene.zone.pk).update(food=3)
    lacking = refused(channel.push, "consume_resource", resource_type="food", amount=5)
    assert lacking.reason == "insufficient_resources"
    assert channel.push("consume_resource", resource_type="food", amount=2)["remaining"] == 1
    scene.world.agents.filter(pk=scene.agents[1].pk).update(x=99, y=99)
    channel.push("agent_move", position={"x": 1, "y": 1, "z": 0})
    far = refused(channel.push, "agent_interact", target_id=scene.agents[1].pk, kind="greet")
    assert far.reason == "out_of_range"
    assert refused(channel.push, "dance").reason == "unknown_event"


def test_broadcasts_need_the_permission(scene: Scene, server: WebServer) -> None:
    ada = make_user("ada")
    World.objects.filter(pk=scene.world.pk).update(access="open")
    call = {"event": "fair", "text": "Come to the fair"}
    with PhoenixClient(server.url, tokens.issue(ada, by="test")) as client:
        channel = client.join(scene.topic)
        channel.push("broadcast", call)
        channel.wait_for("broadcast", lambda payload: payload["event"] == "fair")
        places.revoke_permission(scene.zone.pk, Permission.BROADCAST_EVENTS, by=scene.user)
        assert refused(channel.push, "broadcast", call).reason == "access_denied"


def test_an_agents_token_acts_only_for_that_agent(scene: Scene, server: WebServer) -> None:
    mine, other = scene.agents[0], scene.agents[1]
    with PhoenixClient(server.url, scene.token(mine.pk)) as client:
        assert refused(client.join, scene.topic, agent_id=other.pk).reason == "access_denied"
        channel = client.join(scene.topic, agent_id=mine.pk)
        assert channel.push("agent_move", position={"x": 7, "y": 7, "z": 0})["position"]["x"] == 7


# --- Limits --------------------------------------------------------------------------------------------------


def test_one_agents_pushes_are_limited_over_all_its_clients(scene: Scene, serve: StartServer) -> None:
    servers = [serve(THUNDERLINE_SOCKET_AGENT_RATE="8") for _ in range(2)]
    with scene.client(servers[0].url) as one, scene.client(servers[1].url) as two:
        channels = [client.join(scene.topic, agent_id=scene.agents[0].pk) for client in (one, two)]
        reasons = [reason(channels[n % 2]) for n in range(40)]
    assert reasons.count("rate_limited") > 10
    assert reasons.count("") >= 8


def reason(channel: Channel) -> str:
    try:
        channel.push("say", text="hm")
    except Refused as error:
        return str(error.reason)
    return ""


def test_a_flood_is_answered_then_closed(scene: Scene, serve: StartServer) -> None:
    from websockets.exceptions import ConnectionClosed

    server = serve(THUNDERLINE_SOCKET_RATE="1", THUNDERLINE_SOCKET_BURST="10")
    answers, line = [], '[null,"1","phoenix","heartbeat",{}]'
    with connect(f"{server.url}/websocket?vsn=2.0.0&token={scene.token()}") as flooding:
        try:
            for _ in range(PATIENCE + 100):
                flooding.send(line)
            while True:
                answers.append(flooding.recv(timeout=10))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 4029
    assert sum("rate_limited" in str(answer) for answer in answers) >= PATIENCE - 1
    assert len(answers) < PATIENCE + 50


@contextmanager
def lines(scene: Scene, *servers: WebServer) -> Iterator[list[ClientConnection]]:
    """Sockets that have joined the zone and wait for no answer before they go on."""
    with ExitStack() as opened:
        made = [
            opened.enter_context(connect(f"{server.url}/websocket?vsn=2.0.0&token={scene.token()}"))
            for server in servers
        ]
        for line in made:
            line.send(json.dumps(["1", "join", scene.topic, "phx_join", {}]))
            assert answers(line, 1) == {"join": "ok"}
        yield made


def push_many(line: ClientConnection, topic: str, event: str, payload: Any, count: int) -> None:
    for number in range(count):
        line.send(json.dumps(["1", str(number), topic, event, payload]))


def answers(line: ClientConnection, count: int) -> dict[str, str]:
    """By ref the reason of a refusal, or `ok`, of the next so many replies."""
    found: dict[str, str] = {}
    while len(found) < count:
        _, ref, _, event, payload = json.loads(line.recv(timeout=30))
        if event == "phx_reply":
            found[ref] = payload["response"].get("reason", payload["status"])
    return found


def test_broadcasts_of_a_zone_are_limited_over_all_servers(scene: Scene, serve: StartServer) -> None:
    limits = {"THUNDERLINE_SOCKET_BROADCAST_RATE": "1", "THUNDERLINE_SOCKET_AGENT_RATE": "10000"}
    with lines(scene, serve(**limits), serve(**limits)) as sockets:
        began = time.monotonic()
        for line in sockets:
            push_many(line, scene.topic, "broadcast", {"event": "fair"}, 30)
        reasons = Counter(reason for line in sockets for reason in answers(line, 30).values())
        took = time.monotonic() - began
        assert reasons.keys() == {"ok", "rate_limited"}
        assert 1 <= reasons["ok"] <= 1 + took
        sockets[0].send(json.dumps(["1", "other", scene.topic, "say", {"text": "It is the fair that is limited."}]))
        assert answers(sockets[0], 1) == {"other": "ok"}


def test_more_than_may_wait_for_an_answer_is_refused_at_once(scene: Scene, serve: StartServer) -> None:
    with lines(scene, serve(THUNDERLINE_SOCKET_AGENT_RATE="10000")) as (line,):
        with transaction.atomic():
            places.lock_many([scene.zone.pk])
            push_many(line, scene.topic, "say", {"text": "hm"}, 80)
            refused_first = answers(line, 16)
        assert refused_first == {str(number): "overloaded" for number in range(64, 80)}
        assert answers(line, 64).keys() == {str(number) for number in range(64)}


def test_a_message_in_pieces_is_held_to_the_same_length(scene: Scene, server: WebServer) -> None:
    from websockets.exceptions import ConnectionClosed

    with connect(f"{server.url}/websocket?vsn=2.0.0&token={scene.token()}") as client:
        client.send(["[null,", '"1","phoenix",', '"heartbeat",{}]'])
        assert "ok" in str(client.recv(timeout=10))
        with pytest.raises(ConnectionClosed):
            client.send("x" * 10_000 for _ in range(100))
            client.recv(timeout=10)


def test_topics_of_a_socket_are_limited(scene: Scene, serve: StartServer) -> None:
    server = serve(THUNDERLINE_SOCKET_TOPICS="2")
    with scene.client(server.url) as client:
        first = client.join("system:domain_tick")
        client.join(scene.topic)
        assert refused(client.join, "agents:updates").reason == "too_many_topics"
        first.leave()
        client.join("agents:updates")


# --- Out again -----------------------------------------------------------------------------------------------


def closed_with(client: PhoenixClient) -> int:
    (told, *_) = client.wait_told("close", seconds=10)
    return int(told["code"])


def test_revoking_a_token_closes_its_sockets(scene: Scene, server: WebServer) -> None:
    token = scene.token()
    with PhoenixClient(server.url, token) as client, scene.client(server.url) as other:
        client.join(scene.topic)
        other.join(scene.topic)
        tokens.revoke([tokens.read(token).id], by="test", reason="lost")
        assert closed_with(client) == 4001
        assert not other.told("close")


def test_suspending_an_agent_closes_its_sockets(scene: Scene, server: WebServer) -> None:
    first, second = scene.agents[:2]
    with scene.client(server.url) as client, scene.client(server.url) as other:
        client.join(scene.topic, agent_id=first.pk)
        other.join(scene.topic, agent_id=second.pk)
        actions.suspend([first.pk], by="test")
        assert closed_with(client) == 4001
        assert not other.told("close")


def test_a_world_that_becomes_private_puts_its_watchers_out(scene: Scene, server: WebServer) -> None:
    ada = make_user("ada")
    World.objects.filter(pk=scene.world.pk).update(access="open")
    with PhoenixClient(server.url, tokens.issue(ada, by="test")) as client:
        channel = client.join(scene.topic)
        World.objects.filter(pk=scene.world.pk).update(access="private")
        channel.wait_for("phx_error", lambda payload: payload.get("reason") == "access_denied")
        (refusal, *_) = client.wait_told("refused")
        assert refusal["response"]["reason"] == "access_denied"
        before = len(channel.events("notice_written"))
        scene.tell(5)
        time.sleep(0.5)
        assert len(channel.events("notice_written")) == before


def test_an_agents_token_that_only_watches_goes_with_the_agent(scene: Scene, server: WebServer) -> None:
    agent = scene.agents[0]
    with PhoenixClient(server.url, scene.token(agent.pk)) as client:
        client.join("agents:updates")
        actions.suspend([agent.pk], by="test")
        assert closed_with(client) == 4001


def test_signing_out_closes_the_sockets_of_the_session(scene: Scene, server: WebServer) -> None:
    ours = server.cookies(scene.user)
    with PhoenixClient(server.url, headers=ours) as client:
        client.join(scene.topic)
        Session.objects.all().delete()
        assert closed_with(client) == 4001


def test_rights_that_were_lost_are_lost_for_who_is_connected(scene: Scene, server: WebServer) -> None:
    with scene.client(server.url) as client:
        client.join("system:domain_tick")
        type(scene.user).objects.filter(pk=scene.user.pk).update(is_superuser=False, is_staff=False)
        assert refused(client.join, scene.topic, agent_id=scene.agents[0].pk).reason == "access_denied"


def test_disabling_an_account_closes_its_sockets(scene: Scene, server: WebServer) -> None:
    with PhoenixClient(server.url, headers=server.cookies(scene.user)) as client:
        client.join(scene.topic)
        scene.user.is_active = False
        scene.user.save()
        assert closed_with(client) == 4001

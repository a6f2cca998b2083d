"""Keys and JWTs at the socket: who gets in, for what, and who is put out at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from agents import actions
from domains.thundergate import authentication, jwts, keys
from tests.factories import make_user
from tests.phoenix import PhoenixClient, Refused
from tests.socket.server import StartServer, WebServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones.models import World

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def server(scene: Scene, serve: StartServer) -> WebServer:
    return serve()


def make(scene: Scene, *scopes: str, **fields: Any) -> keys.Issued:
    return keys.issue(scene.user, name="robot", scopes=scopes, by="test", **fields)


def pair(key: keys.Issued) -> jwts.Pair:
    identity = authentication.identify(key.secret)
    assert identity.claims is not None
    return jwts.exchange(identity.claims, by="test")


def why(client: PhoenixClient, topic: str, **payload: Any) -> str:
    with pytest.raises(Refused) as refused:
        client.join(topic, **payload)
    return str(refused.value.reason)


def shut_out(server: WebServer, token: str) -> bool:
    with PhoenixClient(server.url, token, connected=False) as client:
        client.wait_told("error", "open")
        return not client.told("open")


def put_out_after(server: WebServer, token: str, act: Any) -> tuple[int, float]:
    """The close code of a connected client, and the seconds from the act to it."""
    with connect(f"{server.url}/websocket?vsn=2.0.0&token={token}") as client:
        client.send('[null,"1","phoenix","heartbeat",{}]')
        client.recv(timeout=10)
        act()
        began = time.monotonic()
        try:
            while True:
                client.recv(timeout=10)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, time.monotonic() - began


def test_a_key_and_a_jwt_open_the_socket_for_what_they_are_for(scene: Scene, server: WebServer) -> None:
    key = make(scene, f"zone:{scene.zone.pk}:join")
    for shown in (key.secret, pair(key).access):
        with PhoenixClient(server.url, shown) as client:
            channel = client.join(scene.topic, agent_id=scene.agents[0].pk)
            assert channel.push("agent_move", position={"x": 7, "y": 7, "z": 0})["position"]["x"] == 7
            assert why(client, f"zone:{scene.other.pk}") == "access_denied"
            assert why(client, "agents:updates") == "access_denied"
            assert why(client, "system:domain_tick") == "access_denied"


def test_who_may_only_look_pushes_nothing(scene: Scene, server: WebServer) -> None:
    with PhoenixClient(server.url, make(scene, "zones:read", "agents:read").secret) as client:
        channel = client.join(scene.topic)
        client.join("agents:updates")
        with pytest.raises(Refused) as refused:
            channel.push("broadcast", {"event": "fair", "text": "Come"})
        assert refused.value.reason == "access_denied" and "zones:act" in refused.value.response["message"]
        assert why(client, scene.topic, agent_id=scene.agents[0].pk) == "access_denied"


def test_a_key_opens_no_world_that_its_owner_may_not_see(scene: Scene, server: WebServer) -> None:
    ada = make_user("ada")
    key = keys.issue(ada, name="robot", scopes=["zones:act", "zones:read"], by="test")
    with PhoenixClient(server.url, key.secret) as client:
        assert why(client, scene.topic) == "access_denied"
        World.objects.filter(pk=scene.world.pk).update(access="open")
        client.join(scene.topic)
        assert why(client, scene.topic, agent_id=scene.agents[0].pk) == "access_denied"


def test_a_bearer_header_does_as_well(scene: Scene, server: WebServer) -> None:
    url, key = f"{server.url}/websocket?vsn=2.0.0", make(scene, "zones:read")
    with connect(url, additional_headers={"Authorization": f"Bearer {key.secret}"}) as client:
        client.send('[null,"1","phoenix","heartbeat",{}]')
        assert "ok" in str(client.recv(timeout=10))
    for wrong in (f"Bearer {key.secret}x", "Bearer a.b.c", "Basic YTpi"):
        with pytest.raises(InvalidStatus):
            connect(url, additional_headers={"Authorization": wrong})


def test_bad_credentials_do_not_connect(scene: Scene, server: WebServer) -> None:
    key, session = make(scene, "zones:read"), pair(make(scene, "zones:read"))
    keys.revoke([key.id], by="test", reason="")
    for shown in (key.secret, key.secret[:-1], session.refresh, session.access[:-6] + "AAAAAA", "a.b.c"):
        assert shut_out(server, shown)
    assert not shut_out(server, session.access)
    jwts.refresh(session.refresh)
    with pytest.raises(jwts.TokenReplayed):
        jwts.refresh(session.refresh)
    assert shut_out(server, session.access)


def test_revoking_puts_out_at_once(scene: Scene, server: WebServer) -> None:
    one, two = make(scene, "zones:read"), make(scene, "zones:read")
    by_key = put_out_after(server, one.secret, lambda: keys.revoke([one.id], by="test", reason=""))
    by_jwt = put_out_after(server, pair(two).access, lambda: keys.revoke([two.id], by="test", reason=""))
    assert (by_key[0], by_jwt[0]) == (4001, 4001)
    assert max(by_key[1], by_jwt[1]) < 5  # a hint, else the look of each second


def test_who_is_disabled_or_suspended_is_put_out(scene: Scene, server: WebServer) -> None:
    agent = scene.agents[0]
    mine = make(scene, "agents:read", agent_id=agent.pk)
    assert put_out_after(server, mine.secret, lambda: actions.suspend([agent.pk], by="test"))[0] == 4001
    assert shut_out(server, mine.secret)

    def disable() -> None:
        scene.user.is_active = False
        scene.user.save()

    key = make(scene, "zones:read")
    assert put_out_after(server, key.secret, disable)[0] == 4001
    assert shut_out(server, key.secret)


def test_what_is_shown_is_in_no_log(scene: Scene, serve: StartServer) -> None:
    server = serve(THUNDERLINE_LOG_LEVEL="DEBUG")
    key = make(scene, "zones:read")
    secret = key.secret.rpartition(f"{key.prefix}_")[2]
    with PhoenixClient(server.url, key.secret) as client:
        client.join(scene.topic)
    keys.revoke([key.id], by="test", reason="")
    assert shut_out(server, key.secret)
    assert "a client was refused" in server.log() and secret not in server.log()

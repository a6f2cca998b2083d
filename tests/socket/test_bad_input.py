"""What does not fit is refused by the socket with a stable reason and a sentence, and changes nothing.

`test_fuzz.py` has ten thousand such messages; these are those of which one wants to know what exactly is answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from domains.thunderflow.models import Event
from domains.thundergate import authentication, jwts, keys, tokens
from tests.factories import make_user
from tests.socket.server import StartServer, WebServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from tests.unchanged import unchanged
from zones.models import World

__all__ = ["commits", "serve"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]
FORWARD = {"x": 1, "y": 1, "z": 0}


def messages(zone: str, agent: str, other: str) -> list[tuple[str, str, Any, str]]:
    """Topic, event and payload of what is sent, and the reason for which it is refused."""
    mine, wrong = f"zone:{zone}", "invalid_payload"
    return [
        ("zone:7", "phx_join", {}, "invalid_zone_id"),
        (f"zone:{uuid4()}", "phx_join", {}, "zone_not_found"),
        ("zone:\0", "phx_join", {}, "invalid_zone_id"),
        ("kitchen", "phx_join", {}, "unmatched topic"),
        ("agents:updates", "phx_join", {"world": "here"}, wrong),
        (mine, "phx_join", {"agent_id": "me"}, wrong),
        (mine, "phx_join", {"agent_id": agent, "since": -1}, wrong),
        (mine, "phx_join", {"agent_id": str(uuid4())}, "access_denied"),
        (mine, "phx_join", {"agent_id": other}, "access_denied"),
        (f"zone:{uuid4()}", "say", {"text": "Hello"}, "not_joined"),
        (mine, "dance", {}, "unknown_event"),
        (mine, "say", {}, wrong),
        (mine, "say", {"text": 7}, wrong),
        (mine, "say", {"text": "x" * 5000}, wrong),
        (mine, "say", {"text": "a\0b"}, wrong),
        (mine, "say", {"text": "Hello", "to": other}, wrong),
        (mine, "agent_move", {"position": "there"}, wrong),
        (mine, "agent_move", {"position": {"x": 1e300, "y": 0, "z": 0}}, wrong),
        (mine, "agent_move", {"position": {"x": True, "y": 0, "z": 0}}, wrong),
        (mine, "consume_resource", {"resource_type": "gold", "amount": 1}, wrong),
        (mine, "consume_resource", {"resource_type": "food", "amount": -5}, wrong),
        (mine, "agent_interact", {"target_id": "x", "kind": "greet"}, wrong),
        (mine, "broadcast", {"event": "", "text": "Hello"}, wrong),
    ]


class Line:
    """A socket without a client's manners, so that anything can be sent by it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self._ref = socket, 0

    def ask(self, topic: str, event: str, payload: Any, *, join_ref: str = "1") -> dict[str, Any]:
        self._ref += 1
        return self.send(json.dumps([join_ref, str(self._ref), topic, event, payload]), str(self._ref))

    def send(self, frame: str, ref: str | None) -> dict[str, Any]:
        self.socket.send(frame)
        while (answer := json.loads(self.socket.recv(timeout=30)))[1] != ref or answer[3] != "phx_reply":
            pass
        return dict(answer[4])


def test_messages_that_do_not_fit(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve()
    World.objects.filter(pk=scene.world.pk).update(access="open")
    mine, other = scene.agents[:2]
    token = tokens.issue(make_user("ada"), agent_id=mine.pk, by="test")
    with connect(f"{server.url}/websocket?vsn=2.0.0&token={token}") as socket:
        line = Line(socket)
        for join in (True, False):
            with unchanged():
                for topic, event, payload, reason in messages(str(scene.zone.pk), str(mine.pk), str(other.pk)):
                    if (event == "phx_join") is join:
                        answer = line.ask(topic, event, payload)
                        assert answer["status"] == "error", (topic, event, payload)
                        assert answer["response"]["reason"] == reason, (topic, event, payload, answer)
                        assert len(answer["response"]["message"]) > 12
            if join:
                assert line.ask(scene.topic, "phx_join", {"agent_id": str(mine.pk)})["status"] == "ok"
        check_replayed(line, scene.topic)
        with unchanged():
            for frame in (
                "{",
                "[]",
                "null",
                '"x"',
                "[1,2,3,4,5]",
                '["1","900",7,"say",{}]',
                '["1","901","zone:x","say",7]',
            ):
                ref = frame[6:9] if '"90' in frame else None
                refused = line.send(frame, ref)
                assert refused["response"]["reason"] == "invalid_message" and refused["response"]["message"]


def check_replayed(line: Line, topic: str) -> None:
    """A message that came is not done again, and one of a joining that is over is for nobody."""
    before = Event.objects.filter(topic__endswith=".said").count()
    frame = json.dumps(["1", "twice", topic, "say", {"text": "Hello"}])
    assert line.send(frame, "twice")["status"] == "ok"
    line.socket.send(frame)
    assert line.ask(topic, "say", {"text": "Hello"})["status"] == "ok"  # of another ref, and behind the other
    assert Event.objects.filter(topic__endswith=".said").count() == before + 2
    assert line.ask(topic, "agent_move", {"position": FORWARD})["status"] == "ok"
    with unchanged():
        replayed = line.ask(topic, "agent_move", {"position": {"x": 9, "y": 9, "z": 0}}, join_ref="0")
        assert replayed["response"]["reason"] == "not_joined" and "join it first" in replayed["response"]["message"]


def test_credentials_that_let_nobody_in(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve()
    short, good = scene.token(ttl_s=0.2), scene.token()
    ended = scene.token()
    tokens.revoke([tokens.id_of(ended)], by="test", reason="lost")
    claims = authentication.identify(keys.issue(scene.user, name="x", scopes=["zones:act"], by="test").secret).claims
    assert claims is not None
    pair = jwts.exchange(claims, by="test")
    time.sleep(0.3)
    bad = ("nonsense", "a" * 3000, "tlk_x", good[:-1], good + "x", short, ended, pair.refresh, pair.access + "x", "%00")
    with unchanged():
        for token in bad:
            assert status(server, token) == 403, token
    assert status(server, good) == status(server, pair.access) == 101


def test_a_bad_credential_counts_for_its_address(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve(THUNDERLINE_LIMIT_REFUSED="3")
    for _ in range(4):
        assert status(server, "nonsense") == 403
    rest = httpx2.get(f"{server.origin}/api/v1/worlds", headers={"Authorization": "Bearer nonsense"}, timeout=30)
    assert rest.status_code == 429, "one count for all doors"
    assert status(server, scene.token()) == 101


def served(address: str) -> bool:
    """Whether a client there is answered, and not closed."""
    with connect(address) as socket:
        try:
            return Line(socket).ask("phoenix", "heartbeat", {})["status"] == "ok"
        except ConnectionClosed:
            return False


def until(holds: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_connection_too_many_is_told_why(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve(THUNDERLINE_SOCKET_CONNECTIONS="2")
    address = f"{server.url}/websocket?vsn=2.0.0&token="
    with connect(address + scene.token()) as first, connect(address + scene.token()):  # one user, whatever is shown
        with connect(address + scene.token()) as third:
            told = json.loads(third.recv(timeout=30))[4]
            assert told["reason"] == "too_many_connections" and "at most 2" in told["message"]
            with pytest.raises(ConnectionClosed) as closed:
                third.recv(timeout=30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4013
        with connect(address + tokens.issue(make_user("other"), by="test")) as other:
            assert Line(other).ask("phoenix", "heartbeat", {})["status"] == "ok"
        first.close()
        until(lambda: served(address + scene.token()))


def status(server: WebServer, token: str) -> int:
    """What a request for a socket is answered with."""
    from websockets.exceptions import InvalidStatus

    try:
        with connect(f"{server.url}/websocket?vsn=2.0.0&token={token}"):
            return 101
    except InvalidStatus as error:
        return error.response.status_code

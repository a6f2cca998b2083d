"""What is done through the socket is recorded with who did it, from where, and by what they showed."""

from __future__ import annotations

from typing import Any

import pytest

from domains.thunderflow import queries as log
from domains.thundergate import keys, tokens
from domains.thundergate.audit import queries as audit
from tests.factories import make_user
from tests.phoenix import PhoenixClient
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones.events import zone_stream

__all__ = ["commits", "serve"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


def test_the_socket_is_named_as_the_door(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve(THUNDERLINE_PROXIES="1")
    key = keys.issue(scene.user, name="robot", scopes=["zones:read", "zones:act"], by="test")
    headers = {"x-forwarded-for": "6.6.6.6, 203.0.113.5"}
    with PhoenixClient(server.url, key.secret, headers=headers) as client:
        renamed = client.join("tests:rename").push("rename", id=str(scene.world.pk), name="Haven")
        assert renamed == {"renamed": 1}
        said = client.join(scene.topic, agent_id=scene.agents[0].pk).push("say", text="Mind the tide.")
    entry: Any = audit.entries(table="worlds").first()
    assert (entry.action, entry.object_id, entry.before, entry.after) == (
        "change", str(scene.world.pk), {"name": scene.world.name}, {"name": "Haven"},
    )  # fmt: skip
    assert (entry.actor, entry.door, entry.address) == ("user:operator", "socket", "203.0.113.5")
    assert (entry.user_id, entry.key_id) == (scene.user.pk, str(key.id))
    assert entry.request == "rename tests:rename"
    # What clients do in zones is life, and stands in the zone's stream with who did it.
    (heard,) = [e for e in log.read_stream(zone_stream(scene.zone.pk), after=0) if e.topic.endswith(".said")]
    assert (heard.actor, heard.payload["text"]) == ("user:operator", "Mind the tide.") and said is not None
    assert None not in (heard.correlation_id, entry.correlation_id)
    assert heard.correlation_id != entry.correlation_id  # each message is a request of its own


def test_what_serves_all_is_not_the_doing_of_who_came_first(commits: None, serve: StartServer) -> None:
    scene, server = Scene(), serve()
    bo = tokens.issue(make_user("bo", operator=True), by="test")
    with scene.client(server.url) as first, PhoenixClient(server.url, bo) as second:
        first.join(scene.topic, agent_id=scene.agents[0].pk).push("say", text="Here first.")
        eating = second.join(scene.topic, agent_id=scene.agents[1].pk)
        eating.push("consume_resource", resource_type="food", amount=1)
    told = {e.topic.rsplit(".", 1)[1]: e for e in log.read_stream(zone_stream(scene.zone.pk), after=0)}
    said, eaten, changed = told["said"], told["resource_consumed"], told["resource_changed"]
    assert (said.actor, eaten.actor, changed.actor) == ("user:operator", "user:bo", "system")
    assert said.correlation_id not in (eaten.correlation_id, changed.correlation_id)

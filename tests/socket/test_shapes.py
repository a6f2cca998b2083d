"""What a client really gets has the shapes that are promised, and nothing besides: `tests/contracts/shapes.json`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from agents.channels.shapes import ANSWERS, Meta
from domains.thunderlink import actions as thunderlink
from domains.thunderlink.socket.shapes import TOLD
from tests.phoenix import Channel, Refused
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def check(kind: Any, value: Any) -> None:
    """What a shape does not know falls out of it."""
    assert TypeAdapter(kind).validate_python(value, strict=True) == value


def pushes(other: Any) -> dict[str, dict[str, Any]]:
    """One of each kind."""
    return {
        "agent_move": {"position": {"x": 3, "y": 4}},
        "agent_interact": {"target_id": str(other.pk), "kind": "greet"},
        "consume_resource": {"resource_type": "food", "amount": 1},
        "say": {"text": "Hello."},
        "broadcast": {"event": "fair", "text": "Come."},
        "get_zone_state": {},
    }


def test_answers_have_the_shapes_that_are_promised(serve: StartServer) -> None:
    scene = Scene()
    mine, other = scene.agents[:2]
    scene.world.agents.filter(pk=other.pk).update(x=3, y=4)
    with scene.client(serve().url) as client:
        channel = client.join(scene.topic, agent_id=mine.pk)
        found = {verb: channel.push(verb, payload) for verb, payload in pushes(other).items()}
        for verb, answer in {"phx_join": channel.joined, **found}.items():
            check(ANSWERS[verb], answer)
        check(Meta, without_refs(channel, str(mine.pk)))
        assert found["get_zone_state"]["zone"].keys() == channel.joined["zone"].keys()
        assert found["get_zone_state"]["zone"]["host"] == channel.joined["zone"]["host"]


def without_refs(channel: Channel, key: str) -> dict[str, Any]:
    """What presence says of an agent's only session, without what Phoenix adds."""
    channel.wait_present({key})
    (meta,) = channel.presence()[key]
    return {name: value for name, value in meta.items() if not name.startswith("phx_")}


def test_refusals_have_one_shape(serve: StartServer) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        channel = client.join(scene.topic, agent_id=scene.agents[0].pk)
        for verb, payload in (("dance", {}), ("say", {}), ("agent_interact", {"target_id": str(scene.zone.pk)})):
            with pytest.raises(Refused) as refused:
                channel.push(verb, payload)
            check(TOLD["error"], refused.value.response)


def test_what_is_told_besides_events_has_the_shapes_that_are_promised(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    monkeypatch.setattr(thunderlink, "_send", lambda *args, **kwargs: None)  # there is no worker
    with scene.client(serve().url) as client:
        since = scene.tell(1)
        last = scene.tell(2)
        channel = client.join(scene.topic, since=since, batch=True, caught_up=True)
        beats = client.join("system:domain_tick")
        thunderlink.beat(interval_s=0.01)
        check(TOLD["caught_up"], channel.wait_for("caught_up").payload)
        check(TOLD["domain_tick"], beats.wait_for("domain_tick").payload)
        channel.wait_until(lambda events: any(event.seq == last for event in events), what=f"number {last}")
        batches = [told["payload"] for told in client.told("event") if told["event"] == "batch"]
        assert batches
        for batch in batches:
            check(TOLD["batch"], batch)

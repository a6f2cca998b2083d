"""The lines that an application begins with, as they stand, in Node with a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import run_ticks
from tests.phoenix import PhoenixClient
from tests.socket import snippet
from tests.socket.server import StartServer, serve
from tests.socket.watching import Scene
from tests.tables import commits
from zones.models import Zone

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def heard(page: PhoenixClient, name: str) -> Any:
    page.until(lambda: any(told["name"] == name for told in page.told("heard")), name)
    return next(told["payload"] for told in page.told("heard") if told["name"] == name)


def test_an_applications_lines_run_as_they_stand(serve: StartServer) -> None:
    scene, server = Scene(), serve()
    agent, stranger = scene.agents[0], scene.world.agents.filter(zone=scene.other).first()
    Zone.objects.filter(pk=scene.zone.pk).update(food=4.0)
    names = {"token": scene.token(agent.pk), "agent_id": str(agent.pk)}
    with PhoenixClient("") as page, scene.client(server.url) as client:
        page.run(snippet.source(scene.zone.pk), names, host=server.host)
        assert heard(page, "joined")["zone"]["id"] == str(scene.zone.pk)
        assert heard(page, "moved")["position"] == {"x": 10.0, "y": 5.0, "z": 0.0}
        assert heard(page, "not consumed")["reason"] == "insufficient_resources"
        agent.refresh_from_db()
        assert (agent.x, agent.y, agent.z) == (10.0, 5.0, 0.0)

        other = client.join(scene.topic, agent_id=stranger.pk)
        assert heard(page, "agent_entered")["agent_id"] == str(stranger.pk)
        other.push("consume_resource", resource_type="food", amount=1.5)
        assert heard(page, "resource_changed")["new_resources"]["food"] == 2.5
        run_ticks(scene.world, 31)
        assert "temperature" in heard(page, "environment_tick")["properties"]
        assert "not joined" not in {told["name"] for told in page.told("heard")}

"""Hundreds at once, over two web processes: as many get in as there are places; of those who vanish nothing stays."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from typing import Any

import pytest
from django.db.models import F

from domains.thunderflow import queries
from tests.socket.server import StartServer, WebServer, serve
from tests.socket.test_present import keys_left, wait_for_count
from tests.socket.watching import Scene
from tests.tables import commits
from thunderline.bench.wire import Wire
from zones import presence
from zones.events import zone_stream
from zones.models import Zone

__all__ = ["commits", "serve"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PLACES, COMERS = 100, 200
PATIENCE_S = 120.0


class Comer:
    """A client that joins with an agent, and again while it is told that the zone is busy."""

    def __init__(self, scene: Scene, agent: Any) -> None:
        self.topic, self.agent_id, self.token = scene.topic, str(agent.pk), scene.token(agent.pk)
        self.wire: Wire
        self._refs = itertools.count()
        self._answer: asyncio.Future[str]

    async def connect(self, server: WebServer) -> None:
        path = f"/socket/websocket?token={self.token}&vsn=2.0.0"
        self.wire = await Wire.open("127.0.0.1", server.port, path, self._hear, timeout_s=PATIENCE_S)

    async def enter(self) -> str:
        """`ok`, or the reason why not."""
        outcome = "zone_busy"
        while outcome == "zone_busy":
            self._answer = asyncio.get_running_loop().create_future()
            ref = str(next(self._refs))
            join = [ref, ref, self.topic, "phx_join", {"agent_id": self.agent_id, "batch": True}]
            self.wire.send(json.dumps(join).encode())
            outcome = await asyncio.wait_for(self._answer, PATIENCE_S)
        return outcome

    def _hear(self, data: bytes) -> None:
        _, _, _, event, payload = json.loads(data)
        if event == "phx_reply" and not self._answer.done():
            self._answer.set_result(payload["response"].get("reason", payload["status"]))


def scene_of_comers() -> tuple[Scene, list[Comer]]:
    """A zone with a hundred places, and two hundred agents next door."""
    scene = Scene(agents=COMERS)
    scene.world.agents.update(zone=scene.other)
    Zone.objects.filter(pk=scene.other.pk).update(agent_count=COMERS)
    Zone.objects.filter(pk=scene.zone.pk).update(agent_count=0, capacity=PLACES)
    return scene, [Comer(scene, agent) for agent in scene.world.agents.order_by("ordinal")]


async def enter_all(comers: list[Comer], servers: list[WebServer]) -> list[str]:
    """All are connected first, then join at once. Returns what each was answered."""
    for comer, server in zip(comers, itertools.cycle(servers), strict=False):
        await comer.connect(server)
    return await asyncio.gather(*(comer.enter() for comer in comers))


async def wait_present(scene: Scene, keys: set[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while set(await asyncio.to_thread(presence.list, scene.zone.pk)) != keys:  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.1)


def entered(scene: Scene) -> int:
    """How many the log says came from next door."""
    events = queries.read_stream(zone_stream(scene.zone.pk), after=0, limit=10_000)
    return sum(event.payload.get("origin") == str(scene.other.pk) for event in events)


def wait_for_nothing_left(scene: Scene, servers: list[WebServer]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (keys := keys_left(scene.topic)) or (tasks := [left for server in servers if (left := of_clients(server))]):
        assert time.monotonic() < deadline, (keys, tasks)
        time.sleep(0.2)
    wait_for_count(scene, 0)


def of_clients(server: WebServer) -> set[str]:
    return {name for name in server.observe()["tasks"] if "Feed" in name or "Connection" in name}


def test_a_herd_fills_the_zone_exactly_and_a_storm_leaves_nothing_of_it(serve: StartServer) -> None:
    scene, comers = scene_of_comers()
    servers = [serve(), serve()]

    async def come_and_vanish() -> Counter[str]:
        outcomes = await enter_all(comers, servers)
        inside = {comer.agent_id for comer, outcome in zip(comers, outcomes, strict=True) if outcome == "ok"}
        await wait_present(scene, inside)
        for comer in comers:
            comer.wire.transport.abort()
        return Counter(outcomes)

    outcomes = asyncio.run(come_and_vanish())
    assert outcomes == {"ok": PLACES, "zone_full": COMERS - PLACES}
    assert Zone.objects.get(pk=scene.zone.pk).agent_count == PLACES
    assert scene.world.agents.filter(zone=scene.zone).count() == entered(scene) == PLACES
    wait_for_nothing_left(scene, servers)
    Zone.objects.filter(pk=scene.zone.pk).update(capacity=F("capacity") + 1)
    with scene.client(servers[0].url) as client:
        client.join(scene.topic, agent_id=scene.world.agents.filter(zone=scene.other).first().pk)

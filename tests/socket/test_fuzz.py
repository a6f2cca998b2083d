"""Ten thousand hostile messages: each is answered, and nobody else notices.

FUZZ_SEED repeats a run; FUZZ says how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytest
from django.db import connection

from domains import sql
from domains.thundergate import tokens
from tests.factories import make_user, make_world, wake_domains
from tests.phoenix import Channel, PhoenixClient
from tests.socket.fuzz import Attacker, Facts, frames
from tests.socket.server import StartServer, WebServer, serve
from thunderline.bench.wire import Wire

__all__ = ["serve"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

SEED = int(os.environ.get("FUZZ_SEED", "5"))
COUNT = int(os.environ.get("FUZZ", "10000"))
CONNECTIONS = 8
MORE_MB = 25.0
PROMPT_S = 2.0
POOL = min(32, (os.cpu_count() or 1) + 4)
"""Threads that a loop's own pool may still add; it grows when many ask at once, and no further."""
# The limits have a test of their own; here every message is to reach what it means.
NO_LIMITS = {
    "THUNDERLINE_SOCKET_RATE": "10000",
    "THUNDERLINE_SOCKET_BURST": "100000",
    "THUNDERLINE_SOCKET_AGENT_RATE": "10000",
}


class Cast:
    """Two people with a private world each: one lives in it, the other attacks."""

    def __init__(self) -> None:
        wake_domains()
        self.victim, self.attacker = make_user("victim"), make_user("attacker")
        theirs = make_world("Theirs", zones=1, agents=3, by=self.victim)
        own = make_world("Own", zones=1, agents=CONNECTIONS, by=self.attacker)
        self.zone, self.own_zone = theirs.zones.get(), own.zones.get()
        self.agent = theirs.agents.order_by("ordinal").first()
        self.hostile = list(own.agents.order_by("ordinal"))

    def facts(self, number: int) -> Facts:
        return Facts(
            f"zone:{self.own_zone.pk}", str(self.hostile[number].pk), f"zone:{self.zone.pk}", str(self.agent.pk)
        )

    def token(self, user: Any, agent: Any) -> str:
        return tokens.issue(user, agent_id=agent.pk, by="tests")


class Healthy:
    """Somebody who goes on with her life: a move ten times a second, each answered."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self.moves, self.slowest_s, self.failure = channel, 0, 0.0, ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        while not self._done.wait(0.1):
            began = time.monotonic()
            try:
                self.channel.push("agent_move", position={"x": float(self.moves % 50), "y": 1.0})
            except Exception as error:
                self.failure = str(error)
                return
            self.moves += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def __enter__(self) -> Healthy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(30)


@contextmanager
def living(cast: Cast, server: WebServer) -> Iterator[Healthy]:
    """Somebody healthy for a while; that she noticed nothing is asserted at the end."""
    with PhoenixClient(server.url, cast.token(cast.victim, cast.agent)) as client:
        channel = client.join(f"zone:{cast.zone.pk}", agent_id=cast.agent.pk)
        channel.wait_present({str(cast.agent.pk)})
        with Healthy(channel) as healthy:
            yield healthy
        assert healthy.failure == ""
        assert healthy.slowest_s < PROMPT_S
        assert healthy.moves > 0
        assert client.told("close", "error") == []
        channel.wait_until(lambda events: sum(e.event == "agent_moved" for e in events) >= healthy.moves)
        came = Counter(event.event for event in channel.events() if event.event != "host_changed")
        own = sum(event.payload["joins"].keys() == {str(cast.agent.pk)} for event in channel.events("presence_diff"))
        assert came == {"presence_state": 1, "agent_moved": healthy.moves, **({"presence_diff": own} if own else {})}
        assert list(channel.presence()) == [str(cast.agent.pk)]


def attack(cast: Cast, server: WebServer, seed: int, count: int) -> None:
    """Several at once; each of their messages is answered as it should be."""
    issued = [cast.token(cast.attacker, agent) for agent in cast.hostile]

    async def all_of_them() -> list[Attacker]:
        attackers = []
        for number, token in enumerate(issued):
            attackers.append(Attacker("127.0.0.1", server.port, token, cast.facts(number)))
        shares = [
            islice(frames(seed, count, cast.facts(number)), number, None, CONNECTIONS) for number in range(CONNECTIONS)
        ]
        await asyncio.gather(*(one.attack(share) for one, share in zip(attackers, shares, strict=True)))
        return attackers

    attackers = asyncio.run(all_of_them())
    assert sum(one.judged for one in attackers) == count
    wrong = defaultdict[tuple[str, str], list[str]](list)
    for verdict, frame in (each for one in attackers for each in one.wrong):
        wrong[frame.kind, verdict.partition(":")[0]].append(f"{verdict} <- {frame}")
    lines = [f"{len(found)} × {name}: {found[0]}" for (name, _), found in wrong.items()]
    if lines:
        pytest.fail("\n".join([f"seed {seed}:", *lines]), pytrace=False)


def told_in(zone: Any) -> Counter[str]:
    rows = sql.fetch_rows("SELECT topic FROM events WHERE stream = %s", [f"zone:{zone.pk}"])
    return Counter(verb for (topic,) in rows if (verb := topic.rpartition(".")[2]) != "host_changed")


def positions(world_id: Any) -> list[Any]:
    return sql.fetch_rows(
        "SELECT id, x, y, z, energy, lifecycle, zone_id FROM pac_agents WHERE world_id = %s ORDER BY id", [world_id]
    )


def at_rest(server: WebServer) -> dict[str, Any]:
    """What the process holds once all lines are gone."""
    deadline = time.monotonic() + 15
    while server.observe()["connections"] > 4 and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(3)
    return server.observe()


def test_hostile_messages_are_answered_and_change_nothing(serve: StartServer) -> None:
    print(f"FUZZ_SEED={SEED}")  # noqa: T201 - to repeat a failure
    cast, server = Cast(), serve(**NO_LIMITS)
    before, told = positions(cast.own_zone.world_id), told_in(cast.own_zone)
    attack(cast, server, SEED + 1, COUNT // 5)  # what is made once is made now
    empty = at_rest(server)
    with living(cast, server):
        attack(cast, server, SEED, COUNT)
    assert positions(cast.own_zone.world_id) == before
    assert told_in(cast.own_zone) == told
    full = at_rest(server)
    assert full["tasks"] == empty["tasks"]
    assert full["threads"] <= empty["threads"] + POOL
    assert full["rss_mb"] < empty["rss_mb"] + MORE_MB
    assert "ERROR" not in server.log(), server.log()[-4000:]
    connection.close()


def test_who_floods_is_slowed_down_then_closed_and_alone_with_it(serve: StartServer) -> None:
    cast, server = Cast(), serve()

    token = cast.token(cast.attacker, cast.hostile[0])

    async def flood() -> tuple[Counter[str], int]:
        said = Counter[str]()

        def hear(data: bytes) -> None:
            payload = json.loads(data)[4]
            said[payload["response"].get("reason", "ok") if "response" in payload else "told"] += 1

        wire = await Wire.open("127.0.0.1", server.port, f"/socket/websocket?token={token}&vsn=2.0.0", hear)
        for n in range(5000):
            wire.send(json.dumps([None, str(n), "phoenix", "heartbeat", {}]).encode())
            if n % 10 == 0:
                await asyncio.sleep(0)  # to hear what comes, as long as something does
            if wire.closed.done():
                break
        return said, await asyncio.wait_for(wire.closed, 30)

    with living(cast, server):
        said, code = asyncio.run(flood())
        time.sleep(1)
    assert said["ok"] >= 100
    assert said["rate_limited"] >= 100
    assert code == 4029

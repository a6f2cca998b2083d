"""What the map and the lines of a world are drawn from: who gets it, what is in it, and what it costs."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import actions, pulses, worldmap
from agents.engine import loop
from domains.ids import new_id
from domains.thunderflow import queries as log
from tests.conftest import CountQueries
from tests.factories import make_world, run_ticks, wake_domains
from zones.actions import clock, worlds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    worldmap.forget()


@pytest.fixture
def world() -> Any:
    world = make_world(zones=3, agents=6)
    run_ticks(world, 2)
    world.refresh_from_db()
    return world


def drawn(client: Client, world: Any, **headers: str) -> Any:
    response = client.get(reverse("world-map", args=[world.pk]), headers=headers)
    assert response.status_code == 200
    return response


def test_a_map_has_zones_ways_and_everybody(as_operator: Client, world: Any) -> None:
    actions.suspend([world.agents.get(name="Agent 4").pk], by="tests", reason="")
    actions.archive([world.agents.get(name="Agent 5").pk], by="tests", reason="")
    found = drawn(as_operator, world).json()
    assert found["position"] == log.settled()
    assert (found["world"]["name"], found["world"]["tick"], found["world"]["population"]) == ("Harbour", 2, 5)
    assert [zone["name"] for zone in found["zones"]] == ["Zone 0", "Zone 1", "Zone 2"]
    assert found["ways"] == [[0, 1, 0.5], [0, 2, 0.5], [1, 2, 0.5]]
    agents = found["agents"]
    assert agents["name"] == [f"Agent {i}" for i in range(5)]
    for i, agent in enumerate(world.agents.order_by("ordinal")[:5]):
        assert agents["id"][i] == str(agent.pk)
        assert found["zones"][agents["zone"][i]]["id"] == str(agent.zone_id)
        assert (agents["x10"][i], agents["y10"][i]) == pytest.approx((agent.x * 10, agent.y * 10), abs=0.51)
        assert (agents["mood100"][i], agents["energy"][i]) == pytest.approx((agent.mood * 100, agent.energy), abs=0.51)
        assert agents["activity"][i] == agent.activity
    assert agents["active"] == [1, 1, 1, 1, 0]


def test_it_is_packed_for_who_can_unpack_it(as_operator: Client, world: Any) -> None:
    plain = drawn(as_operator, world)
    packed = drawn(as_operator, world, accept_encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_an_empty_world_has_a_map(as_operator: Client) -> None:
    found = drawn(as_operator, make_world(zones=0, agents=0)).json()
    assert (found["zones"], found["ways"], found["agents"]["id"]) == ([], [], [])


def test_other_peoples_worlds_are_not_there(client: Client, member: Any, world: Any) -> None:
    client.force_login(member)
    for name in ("world-map", "world-pulse"):
        assert client.get(reverse(name, args=[world.pk])).status_code == 404
        assert client.get(reverse(name, args=[new_id()])).status_code == 404
    world.access = "open"
    world.save(update_fields=["access"])
    for name in ("world-map", "world-pulse"):
        assert client.get(reverse(name, args=[world.pk])).status_code == 200


def test_it_is_drawn_once_for_all_and_costs_the_same_for_few_and_many(
    as_operator: Client, world: Any, count_queries: CountQueries
) -> None:
    def costs(of: Any) -> tuple[int, int]:
        found = []
        for _ in range(2):
            with count_queries() as statements:
                drawn(as_operator, of)
            found.append(len(statements))
        return found[0], found[1]

    drawn(as_operator, make_world("First", agents=1))
    few, kept = costs(world)
    assert costs(make_world("Large", zones=12, agents=60)) == (few, kept)
    assert kept < few
    run_ticks(world, 1)
    assert drawn(as_operator, world).json()["world"]["tick"] == 2
    worldmap.forget()
    assert drawn(as_operator, world).json()["world"]["tick"] == 3


# --- The last hour -------------------------------------------------------------------------------------------


def test_the_last_hour_has_pulses(as_operator: Client, world: Any) -> None:
    now = timezone.now()
    pulses.take(now - timedelta(hours=2))
    pulses.take(now - timedelta(seconds=20))
    run_ticks(world, 5)
    pulses.take(now - timedelta(seconds=10))
    found = orjson.loads(as_operator.get(reverse("world-pulse", args=[world.pk])).content)
    assert found["ticks_per_s"] == [None, pytest.approx(3.0)]  # 6 agents, 5 ticks each, in 10 s
    assert found["at"] == pytest.approx([now.timestamp() - 20, now.timestamp() - 10])
    assert found["energy"][1] == pytest.approx(sum(world.agents.values_list("energy", flat=True)) / 6, abs=0.1)


def test_pulses_tell_how_long_ticks_take_from_due_to_done(world: Any) -> None:
    now = timezone.now()
    worlds.resume(world.pk)
    clock.open_all(now - timedelta(seconds=30))
    pulses.take(now - timedelta(seconds=20))  # it is not done yet
    loop.run(seconds=30, world_id=world.pk)
    pulses.take(now - timedelta(seconds=10))
    worlds.pause(world.pk)
    pulses.take(now)
    waiting, done, paused = pulses.history(world.pk, since=now - timedelta(minutes=1)).took_ms
    assert waiting is not None
    assert done is not None
    assert 30_000 <= waiting <= done
    assert paused is None


def test_a_world_that_began_anew_has_a_gap(world: Any) -> None:
    now = timezone.now()
    pulses.take(now)
    world.agents.update(tick_number=0)
    pulses.take(now + timedelta(seconds=10))
    assert pulses.history(world.pk, since=now).ticks_per_s == [None, None]


def test_pulses_are_kept_for_a_day(world: Any) -> None:
    now = timezone.now()
    pulses.take(now - pulses.KEPT - timedelta(seconds=1))
    pulses.take(now)
    assert pulses.history(world.pk, since=now - timedelta(days=3)).at == [now.timestamp()]


def test_who_does_not_live_does_not_count(world: Any) -> None:
    world.agents.filter(name="Agent 0").update(mood=-1.0, lifecycle="dormant")
    world.agents.exclude(name="Agent 0").update(mood=0.5)
    pulses.take(timezone.now())
    row = world.pulses.get()
    assert (row.agents, row.mood) == (5, 0.5)

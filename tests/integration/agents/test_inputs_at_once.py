"""Pushes from many sides at once, while the world ticks: nothing is taken twice, lost, or overdrawn."""

import random
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from agents import inputs as pushes
from agents.actions import locks
from agents.actions.inputs import Input, apply_inputs
from agents.actions.moves import enter
from agents.engine import loop
from agents.errors import AgentError, ZoneBusy
from agents.models import Agent, Message
from tests.integration.agents.living import allow, check_counts, events, finish, logs, make_world, people
from tests.tables import commits
from tests.threads import threads
from zones.actions import places
from zones.errors import ZoneError
from zones.models import RESOURCES, World, Zone

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def push(agent: Agent, verb: str, payload: dict[str, Any]) -> Input:
    return Input(verb, pushes.parse(verb, payload), agent.pk, None, f"agent:{agent}", agent.pk)


def take(agent: Agent, resource: str, amount: float) -> Input:
    return push(agent, "consume_resource", {"resource_type": resource, "amount": amount})


def test_what_is_granted_is_what_is_missing() -> None:
    """Twice as much is asked for as there is, by eight at once, in amounts that no binary fraction is equal to."""
    _, (zone,) = make_world({"food": 60.0})
    crowd = people(zone, 8)

    def eat(agent: Agent) -> list[float]:
        chance, granted = random.Random(agent.ordinal), []
        for _ in range(30):
            batch = [take(agent, "food", round(chance.uniform(0.05, 0.25), 4)) for _ in range(4)]
            for answer in apply_inputs(zone.pk, batch):
                if isinstance(answer, dict):
                    assert answer["remaining"] >= 0
                    granted.append(answer["amount"])
                else:
                    assert getattr(answer, "code", answer) == "insufficient_resources"
        return granted

    with threads(8) as started:
        granted = [job.result(60) for job in [started.start(eat, agent) for agent in crowd]]
    left = Zone.objects.get(pk=zone.pk).food
    total = sum(amount for one in granted for amount in one)
    assert 0 <= left < 0.25
    assert total == pytest.approx(60.0 - left, abs=1e-9)
    told = events(zone.pk, "resource_consumed")
    assert sum(t.payload["amount"] for t in told) == pytest.approx(total, abs=1e-9)
    assert sum(t.payload["changes"]["food"] for t in events(zone.pk, "resource_changed")) == pytest.approx(-total)
    assert [t.payload["remaining"] for t in told] == sorted((t.payload["remaining"] for t in told), reverse=True)


def test_a_living_zone_stays_within_its_bounds_and_tells_every_change() -> None:
    """Regeneration at each tick, agents that forage by themselves, and people who take: it all adds up."""
    generous = dict.fromkeys(RESOURCES, 60.0)
    world, (zone,) = make_world({"environment_interval": 1, "regeneration": generous, "entropy": 0.9})
    crowd = people(zone, 12)
    before = Zone.objects.get(pk=zone.pk).resources
    ends = time.monotonic() + 4
    allow(world, 1_000_000)

    def consume(seed: int) -> Counter[str]:
        chance, went = random.Random(seed), Counter[str]()
        while time.monotonic() < ends:
            batch = [take(chance.choice(crowd), chance.choice(RESOURCES), chance.choice((3.3, 30, 70))) for _ in "1234"]
            went.update(getattr(answer, "code", "ok") for answer in apply_inputs(zone.pk, batch))
        return went

    def tick() -> Counter[str]:
        ticks = 0
        while time.monotonic() < ends:
            ticks += loop.run(seconds=0.5, world_id=world.pk).ticks
        return Counter(ticks=ticks)

    with threads(6) as started:
        jobs = [started.start(consume, seed) for seed in range(4)] + [started.start(tick), started.start(tick)]
        went = sum((job.result(60) for job in jobs), Counter[str]())
    assert set(went) == {"ok", "insufficient_resources", "ticks"}
    loop.run(seconds=1.0, world_id=world.pk)  # nobody takes any more: it fills up
    World.objects.filter(pk=world.pk).update(target_tick=World.objects.get(pk=world.pk).tick)
    balance, most = dict(before), 0.0
    for told in events(zone.pk, "resource_changed"):
        for resource, change in told.payload["changes"].items():
            balance[resource] += change
            now = told.payload["new_resources"][resource]
            assert 0 <= now <= 100
            assert now == pytest.approx(balance[resource], abs=1e-6)
            most = max(most, now)
    assert most == 100, "regeneration reached the cap, and went no further"
    assert Zone.objects.get(pk=zone.pk).resources == pytest.approx(balance, abs=1e-6)


def test_a_zone_that_is_held_for_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the reset of a world, say: those who push are told, and nothing of theirs is done."""
    monkeypatch.setattr(locks, "PATIENCE_MS", 50)
    _, (zone, other) = make_world({}, {}, ways=[(0, 1, 1.0)])
    here, there = people(zone, 1) + people(other, 1, first=1)
    before = len(events(zone.pk))
    with threads(2) as started, transaction.atomic():
        places.lock_many([zone.pk])
        answers = started.start(apply_inputs, zone.pk, [take(here, "food", 1)] * 2).result(30)
        assert [getattr(answer, "code", answer) for answer in answers] == ["zone_busy"] * 2
        for agent, to in ((here, other), (there, zone)):
            bring = partial(enter, to.pk, agent.pk, user=None, by="test", token_agent=agent.pk)
            with pytest.raises(ZoneBusy):
                started.start(bring).result(30)
        assert isinstance(started.start(apply_inputs, other.pk, [take(there, "food", 1)]).result(30)[0], dict)
    assert len(events(zone.pk)) == before
    assert isinstance(apply_inputs(zone.pk, [take(here, "food", 1)])[0], dict)


def test_everything_at_once() -> None:
    """Moves, meetings with words, entering to and fro, and ticks: no deadlock, no tick lost, every word delivered."""
    world, zones = make_world({"capacity": 60}, {"capacity": 60}, ways=[(0, 1, 1.0)])
    crowd = people(zones[0], 20, position={"x": 50, "y": 50}, movement_range=1)
    crowd += people(zones[1], 20, first=20, position={"x": 50, "y": 50}, movement_range=1)
    ends = time.monotonic() + 6
    allow(world, 1_000_000)

    def play(seed: int) -> Counter[str]:
        chance, went = random.Random(seed), Counter[str]()
        while time.monotonic() < ends:
            zone, batch = chance.choice(zones), []
            for agent in chance.sample(crowd, 10):
                x, y = chance.uniform(45, 55), chance.uniform(45, 55)
                batch.append(push(agent, "agent_move", {"position": {"x": x, "y": y}}))
                meet = {"target_id": str(chance.choice(crowd).pk), "kind": "talk"}
                batch.append(push(agent, "agent_interact", meet | ({"text": "Well?"} if chance.random() < 0.1 else {})))
            went.update(getattr(answer, "code", "ok") for answer in apply_inputs(zone.pk, batch))
        return went

    def wander(seed: int) -> Counter[str]:
        chance, went = random.Random(seed), Counter[str]()
        while time.monotonic() < ends:
            agent = chance.choice(crowd)
            try:
                enter(chance.choice(zones).pk, agent.pk, user=None, by="test", token_agent=agent.pk)
            except (AgentError, ZoneError) as refusal:
                went[refusal.code] += 1
        return went

    def tick() -> Counter[str]:
        ticks = 0
        while time.monotonic() < ends:
            ticks += loop.run(seconds=0.5, world_id=world.pk).ticks
        return Counter(ticks=ticks)

    with threads(8) as started:
        jobs = [started.start(play, seed) for seed in range(4)] + [started.start(wander, seed) for seed in (5, 6)]
        went = sum((job.result(120) for job in [*jobs, *(started.start(tick) for _ in "12")]), Counter[str]())
    known = {"ok", "ticks", "not_here", "out_of_range", "invalid_payload", "wrong_state", "zone_full", "on_its_way"}
    assert set(went) <= known
    assert min(went["ok"], went["ticks"], went["not_here"]) > 100
    World.objects.filter(pk=world.pk).update(target_tick=World.objects.get(pk=world.pk).tick + 2)
    finish(world)
    check_counts(world)
    assert Message.objects.filter(impersonated_by="", turn=0, text="Well?").exclude(status="sent").count() > 20
    assert not Message.objects.filter(status="sent", sent_tick__lt=world.tick).exists()
    for zone in zones:
        seqs = [t.seq for t in events(zone.pk)]
        assert seqs == list(range(1, len(seqs) + 1))
    for agent in crowd:
        found = logs(agent)
        assert [log.tick_number for log in found] == list(range(1, len(found) + 1))

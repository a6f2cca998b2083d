"""Whatever is published is declared: a day in a world, with every kind of thing that is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from agents import actions as agents
from agents.engine import loop
from agents.minds.mind import Mind
from agents.models import Agent
from domains.thunderblock import actions as domains
from domains.thunderblock import retention
from domains.thunderflow.actions import publish
from domains.thunderflow.blackboard import actions as blackboard
from domains.thunderflow.models import Event
from domains.thunderflow.payloads import Payload, declared, payload_type
from tests.factories import make_user
from tests.factories.worlds import make_world, run_ticks
from zones.actions import clock, places, worlds
from zones.models import Permission, Zone

pytestmark = pytest.mark.django_db

# Told only when the machinery itself fails; tests/integration/agents/test_failures.py makes it fail.
FAULTS = {"zone.*.tick_failed", "zone.*.environment_failed", "agent.*.board_refused"}

# Told when something goes for good or the disk runs low; tests/integration/thunderblock/ sees to that.
UPKEEP = {"system.retention_applied", "system.retention_blocked", "system.disk_low", "system.disk_ok"}

# Told of subscribers and their handlers; test_shards.py and test_follow.py see to that.
FOLLOWING = {
    "system.dead_letter", "system.dead_letters_pile_up", "system.dead_letters_resolved", "system.subscription_changed",
    "system.breaker_changed",
}  # fmt: skip


def a_day() -> None:
    domains.start_all(now=datetime.now(UTC), eager=True)
    domains.switch_off("thundergate", reason="test", now=datetime.now(UTC))
    retention.set_policy("events", by="user:ada", keep_days=7)
    world = make_world(zones=2, agents=6, spec={"stats": {"energy": 40.0}})
    world.zones.filter(ordinal=0).update(entropy=1.0)
    with transaction.atomic():
        places.connect([(*world.zones.order_by("ordinal").values_list("pk", flat=True)[:2], 1.0)])
    run_ticks(world, 31)
    one = Agent.objects.earliest("ordinal")
    agents.force_tick(one.pk, by="user:ada")
    agents.suspend([one.pk], by="user:ada")
    agents.archive([one.pk], by="user:ada")
    b, a = world.zones.order_by("agent_count")
    other, third, *_ = Agent.objects.filter(zone=a).exclude(pk=one.pk).order_by("ordinal")
    places.grant_permission(a.pk, Permission.MODIFY_ZONE, by=make_user("root", operator=True))
    move(world, other, a, b)
    Zone.objects.filter(pk=b.pk).update(capacity=Zone.objects.get(pk=b.pk).agent_count)
    move(world, third, a, b)
    publish_notice(a)
    thinker = Agent.objects.filter(lifecycle="active").latest("ordinal")
    agents.act_as(thinker.pk, by="user:ada", action="reflect")
    Agent.objects.filter(pk=thinker.pk).update(reasoner="openai", due_tick=0)
    mind = Mind()
    while mind.round([], []).waiting or mind.queue.ready:  # there is no endpoint to ask: the rules decide
        pass
    blackboard.put("town.clock", "noon", by="user:ada")
    agents.stop_calls(by="user:ada", reason="a test")
    agents.allow_calls(by="user:ada")


def move(world: Any, agent: Agent, origin: Zone, destination: Zone) -> None:
    world.refresh_from_db()
    with transaction.atomic():
        crosser = clock.Crosser(agent.pk, agent.ordinal, origin.pk, destination.pk)
        clock.depart([crosser])
    worlds.step(world.pk, ticks=1)
    loop.run(seconds=30, world_id=world.pk)


def publish_notice(zone: Zone) -> None:

    publish(places.write_notice(zone_id=zone.pk, author="Ada", text="Bread at noon.", world_tick=1))


def test_every_event_s_payload_is_what_its_topic_declares() -> None:
    a_day()
    told: dict[type[Payload], int] = {}
    for event in Event.objects.order_by("position"):
        kind = payload_type(event.topic)
        assert kind is not None, f"nobody declared {event.topic}"
        kind.model_validate(event.payload)
        assert event.event_version == kind.version
        told[kind] = told.get(kind, 0) + 1
    shipped = {topic for topic, kind in declared().items() if not kind.__module__.startswith("tests.")}
    assert {kind.topic for kind in told} == shipped - FAULTS - UPKEEP - FOLLOWING


def test_every_event_of_a_zone_is_in_its_own_stream() -> None:
    a_day()
    for stream, topic in Event.objects.values_list("stream", "topic"):
        first, second, *_ = topic.split(".")
        if first in ("zone", "world"):
            assert stream == f"{first}:{second}"
        elif first == "agent":
            assert stream.startswith("zone:")
        elif first == "blackboard":
            assert stream == f"blackboard:{second}"
        else:
            assert stream == first

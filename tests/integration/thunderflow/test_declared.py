"""Whatever is published is declared: a day in a world, with every kind of thing that is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from agents import actions as agents
from agents.actions.inputs import Input, apply_inputs
from agents.engine import loop
from agents.inputs import parse
from agents.minds.mind import Mind
from agents.models import Agent
from domains.thunderblock import actions as domains
from domains.thunderblock import retention
from domains.thunderflow.actions import publish
from domains.thunderflow.blackboard import actions as blackboard
from domains.thunderflow.models import Event
from domains.thunderflow.payloads import Payload, declared, payload_type
from domains.thundergate import events as security
from domains.thundergate import tokens
from domains.thunderlink import nodes
from tests.factories import let_nodes_pass, make_user
from tests.factories.worlds import make_world, run_ticks
from zones import assignment
from zones.actions import clock, places, worlds
from zones.models import Permission, Zone

pytestmark = pytest.mark.django_db

# Told only when the machinery itself fails; tests/integration/agents/test_failures.py makes it fail.
FAULTS = {"zone.*.tick_failed", "zone.*.environment_failed", "agent.*.board_refused"}

# Told when something goes for good or the disk runs low; tests/integration/ of the three apps see to that.
UPKEEP = {
    "system.retention_applied", "system.retention_blocked", "system.disk_low", "system.disk_ok", "memory.forgotten",
    "memory.edges_faded", "system.redacted",
}  # fmt: skip

# Told of clients, of what lets them in and of what is amiss; tests/mcp/ and tests/integration/thundergate/ see to that.
DOORS = {
    "zone.*.agent_embodied", "zone.*.agent_freed", "tools.called", "tools.setting_changed", "system.key_issued",
    "system.key_revoked", "system.memory_granted", "system.memory_grant_ended", "system.memories_read",
    "gate.alert_raised", "gate.alert_resolved", "gate.alert_acknowledged", "tools.outside_called",
    "tools.outside_server_changed", "tools.outside_tool_set", "tools.outside_tools_changed",
}  # fmt: skip

SECURITY = {
    "system.token_issued", "system.token_revoked", "system.key_issued", "system.key_revoked", "system.memory_granted",
    "system.memory_grant_ended", "system.memories_read", "system.redacted",
}  # fmt: skip

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
    push(a, Agent.objects.filter(zone=a, lifecycle="active").order_by("ordinal")[:2])
    thinker = Agent.objects.filter(lifecycle="active").latest("ordinal")
    agents.act_as(thinker.pk, by="user:ada", action="reflect")
    Agent.objects.filter(pk=thinker.pk).update(reasoner="openai", due_tick=0)
    mind = Mind()
    while mind.round([], []).waiting or mind.queue.ready:  # there is no endpoint to ask: the rules decide
        pass
    blackboard.put("town.clock", "noon", by="user:ada")
    let_nodes_come_and_go(a)
    tokens.revoke([tokens.id_of(tokens.issue(make_user("ada"), by="test"))], by="test", reason="lost")
    agents.stop_calls(by="user:ada", reason="a test")
    agents.allow_calls(by="user:ada")


def move(world: Any, agent: Agent, origin: Zone, destination: Zone) -> None:
    world.refresh_from_db()
    with transaction.atomic():
        crosser = clock.Crosser(agent.pk, agent.ordinal, origin.pk, destination.pk)
        clock.depart([crosser])
    worlds.step(world.pk, ticks=1)
    loop.run(seconds=30, world_id=world.pk)


def push(zone: Zone, some: Any) -> None:
    """Of everything that clients may push into a zone one, by an agent's token."""
    one, other = some
    payloads = {
        "agent_move": {"position": {"x": other.x, "y": other.y}},
        "agent_interact": {"target_id": other.pk, "text": "Good morning."},
        "consume_resource": {"resource_type": "knowledge", "amount": 0.5},
        "say": {"text": "It is noon."},
        "broadcast": {"event": "noon"},
    }
    batch = [Input(verb, parse(verb, given), one.pk, None, "test", one.pk) for verb, given in payloads.items()]
    for answer in apply_inputs(zone.pk, batch):
        assert isinstance(answer, dict), answer


def let_nodes_come_and_go(zone: Zone) -> None:
    node_id = nodes.register("ws://127.0.0.1:8000")
    assignment.assign([zone.pk])
    let_nodes_pass(nodes.DEAD_S, node_id)
    nodes.mark_dead()
    nodes.leave(nodes.register("ws://127.0.0.1:8001"))


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
    assert {kind.topic for kind in told} == shipped - FAULTS - UPKEEP - FOLLOWING - DOORS


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
        elif topic in SECURITY:
            assert stream == security.STREAM
        else:
            assert stream == first

"""Small worlds that are made, let go on, and looked at. No Celery: the engine's loop is called directly."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from agents import actions
from agents.engine import barrier, loop, turn
from agents.models import Agent, TickLog
from agents.specs import AgentSpec
from domains.thunderflow import queries as thunderflow
from domains.thunderflow.queries import StoredEvent
from zones.actions import places, worlds
from zones.events import zone_stream
from zones.models import World, Zone

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")


def make_world(
    *zones: Mapping[str, Any], name: str = "World", seed: int = 7, ways: Sequence[tuple[int, int, float]] = ()
) -> tuple[World, list[Zone]]:
    """A paused world with zones (dicts of their fields) and ways between them by their places in the list."""
    with transaction.atomic():
        world = worlds.create(name=name, seed=seed, status="paused")
        made = places.create_many(world, [{"name": f"Zone {i}", **zone} for i, zone in enumerate(zones or [{}])])
        places.connect([(made[a].pk, made[b].pk, permeability) for a, b, permeability in ways])
    return world, made


def people(zone: Zone, count: int, *, first: int = 0, interval: int = 1, **fields: Any) -> list[Agent]:
    """Agents with characters of their own, the same ones each time."""
    wanted = []
    for i in range(first, first + count):
        traits = {trait: (i * (37 + 11 * n) % 101) / 100 for n, trait in enumerate(TRAITS)}
        spec = {"name": f"Agent {i}", "traits": traits, "tick_interval": interval, **fields}
        wanted.append((zone.pk, AgentSpec.model_validate(spec)))
    return actions.create_many(wanted, world_id=zone.world_id, by="test")


def person(zone: Zone, name: str = "Mara", **fields: Any) -> Agent:
    spec = AgentSpec.model_validate({"name": name, "tick_interval": 1, **fields})
    return actions.create(spec, world_id=zone.world_id, zone_id=zone.pk, by="test")


def allow(world: World, ticks: int) -> None:
    """Let the clock go on, without waking any worker."""
    World.objects.filter(pk=world.pk).update(target_tick=F("tick") + ticks)


def live(world: World, ticks: int = 1) -> loop.Stint:
    """Let the world go on, and see to it that it did and nothing is left to do."""
    before = World.objects.get(pk=world.pk).tick
    allow(world, ticks)
    stint = finish(world)
    assert world.tick == before + ticks
    return stint


def finish(world: World) -> loop.Stint:
    """Let the world come to its target."""
    stint = loop.run(seconds=90, world_id=world.pk)
    world.refresh_from_db()
    assert (world.tick, stint.exhausted) == (world.target_tick, False)
    return stint


def tick_open(world: World) -> None:
    """Let the clock go on by one and every zone have its turn, and stop before the barrier after it."""
    allow(world, 1)
    assert barrier.advance(world.pk)
    while turn.take(world.pk):
        pass
    allow(world, 1)


def logs(of: Agent | World, **filters: Any) -> list[TickLog]:
    """Tick logs of an agent or of a whole world, in order."""
    if isinstance(of, World):
        filters["agent_id__in"] = list(Agent.objects.filter(world=of).values_list("pk", flat=True))
    else:
        filters["agent_id"] = of.pk
    return list(TickLog.objects.filter(**filters).order_by("world_tick", "agent_id", "tick_number"))


def events(zone_id: UUID, verb: str = "") -> list[StoredEvent]:
    """Events of a zone's stream in order, all or those of one verb."""
    found = thunderflow.read_stream(zone_stream(zone_id), after=0, limit=1_000_000)
    return [event for event in found if not verb or event.topic.endswith(f".{verb}")]


def check_counts(world: World) -> None:
    """Zones count their agents rightly and none is overfull."""
    for zone in Zone.objects.filter(world=world):
        there = Agent.objects.filter(zone=zone).exclude(lifecycle="archived").count()
        assert zone.agent_count == there <= zone.capacity, zone.name

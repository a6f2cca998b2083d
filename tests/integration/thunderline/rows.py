"""More rows of any model, like the first one but for what must be unique."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.db.models.base import ModelState
from django.urls import reverse
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from agents.models import Embodiment, OutsideCall, Price, ReasonerProcess, Spending, SpendingCap, WorldPulse
from domains.ids import new_id
from domains.thunderblock.models import Disk
from domains.thunderflow.models import Cursor, Follower, Lease, RedactedRow, Seal
from domains.thundergate.alerts.models import AlertWatch
from domains.thunderlink import nodes
from mcp_server.models import OutsideServer, OutsideTool
from memory.models import (
    AgentUpkeep,
    MemoryForm,
    MemoryHealth,
    MemoryNode,
    MemoryRecall,
    UnlinkedMemory,
    WorldMemoryHealth,
)
from tests.factories import beat, wake_domains
from tests.integration.redaction.planting import NOW, plant
from zones.models import Crossing, Zone


def multiply(model: Any, count: int) -> None:
    """Rows like the first of the model until there are `count`. There must be one."""
    manager = model._default_manager
    first = manager.order_by("pk").first()
    assert first is not None, f"there is no row of {model._meta.label} to begin with"
    missing = count - manager.count()
    if missing > 0:
        manager.bulk_create([_like(first, i) for i in range(1, missing + 1)])


def _like(row: Any, i: int) -> Any:
    made = copy.copy(row)
    made._state = ModelState()
    for field in _unique(type(row)):
        setattr(made, field.attname, _other(row, field, i))
    return made


def _unique(model: Any) -> Iterator[Any]:
    """The key, columns that are unique by themselves, and one of those that are so together."""
    yield from (field for field in model._meta.concrete_fields if field.primary_key or field.unique)
    together = [*model._meta.unique_together, *(each.fields for each in model._meta.total_unique_constraints)]
    together += [each.fields for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    for names in together:
        fields = [model._meta.get_field(name) for name in names]
        if not any(field.primary_key or field.unique for field in fields):
            yield min(fields, key=lambda field: (field.is_relation, bool(field.choices)))


def _other(row: Any, field: Any, i: int) -> Any:
    """Another value of a column for the i-th copy."""
    value = getattr(row, field.attname)
    if field.is_relation and field.null:
        return None
    if field.is_relation:
        taken = {getattr(row, each.attname) for each in row._meta.concrete_fields if each.is_relation}
        others = field.related_model._default_manager.order_by("pk").exclude(pk__in=taken)
        if field.unique:
            others = others.exclude(pk__in=type(row)._default_manager.values(field.attname))
        return others.values_list("pk", flat=True)[i - 1]
    if isinstance(field, models.AutoField):
        return None
    if isinstance(field, models.UUIDField):
        return new_id()
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.BinaryField):
        return i.to_bytes(16)
    if isinstance(field, models.DateTimeField):
        return value + timedelta(minutes=i)
    if isinstance(value, Decimal):
        return value + i
    return value + 1000 + i if isinstance(value, int) else f"{value[:80]} {i}"


# --- Of every model of the admin ------------------------------------------------------------------------------

SINGLE = {"thunderlink.heart", "agents.switch", "thunderblock.disk", "thundergate.alertwatch"}
"""Of one row."""
FIRST = ("thundergate.user", "zones.world", "zones.zone", "agents.agent", "memory.memorynode", "agents.endpoint",
         "thunderflow.subscription")  # fmt: skip
"""What others point to."""
GROWN = {"thunderflow.event", "agents.ticklog", "thundergate.auditentry", "thunderlink.heartbeattick",
         "mcp_server.toolsetting"}  # fmt: skip
"""Written by triggers, or by actions alone."""
MANY = 20


def registered() -> list[Any]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def address(model: Any, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def some_of_everything() -> tuple[Any, Any, Any]:
    """A living world of somebody, an agent in it, and a row at least of every model."""
    world, agent, user = plant()
    zone, other = Zone.objects.filter(world=world).order_by("ordinal")[:2]
    wake_domains()
    for _ in range(MANY):
        beat()
    nodes.register("ws://127.0.0.1:8000")
    later = NOW.replace(year=NOW.year + 9)
    SpendingCap.objects.create(scope="agent", target_id=agent.pk, most=1)
    Spending.objects.create(scope="agent", target_id=agent.pk, hour=NOW)
    Price.objects.create(model="m", prompt=1, completion=1)
    ReasonerProcess.objects.create(id=new_id(), node="here", pid=1, seen_at=NOW)
    Embodiment.objects.create(agent=agent, lease=new_id(), holder_id=user.pk, reasoner="rules", lease_s=9,
                              entered_at=NOW, expires_at=later)  # fmt: skip
    server = OutsideServer.objects.create(name="library", url="https://tools.example.org/mcp")
    OutsideTool.objects.create(server=server, name="look_up", changed_at=NOW)
    OutsideCall.objects.create(id=new_id(), agent=agent, world=world, tool="library.look_up", arguments={},
                               tick_number=1, asked_tick=1, started_at=NOW, expires_at=later)  # fmt: skip
    WorldPulse.objects.create(world=world, at=NOW, world_tick=1, agents=1, ticks=1, mood=0, energy=50)
    Crossing.objects.create(agent_id=agent.pk, agent_ordinal=agent.ordinal, world=world, origin=zone, destination=other,
                            leave_tick=1)  # fmt: skip
    memory = MemoryNode.objects.filter(agent=agent).first()
    assert memory
    MemoryForm.objects.get_or_create(memory=memory, defaults={"agent_id": agent.pk})
    UnlinkedMemory.objects.get_or_create(memory_id=memory.pk)
    AgentUpkeep.objects.get_or_create(agent_id=agent.pk, defaults={"due_at": NOW})
    MemoryHealth.objects.get_or_create(agent=agent)
    MemoryRecall.objects.get_or_create(agent=agent, defaults={"last_at": NOW})
    WorldMemoryHealth.objects.get_or_create(world=world)
    teller = apps.get_model("thunderflow.Subscription").objects.get(name="teller")
    Cursor.objects.get_or_create(subscription=teller, shard=0)
    Lease.objects.get_or_create(subscription=teller, shard=0, defaults={"expires_at": NOW})
    Follower.objects.create(id=new_id(), node="here", pid=1, seen_at=NOW)
    RedactedRow.objects.create(redaction_id=new_id(), log="events", key="1", was=b"", now=b"", proof=b"", key_id=b"")
    Seal.objects.create(number=1, first=1, last=2, events=2, digest=b"", chain=b"", key_id=b"", sealed_at=NOW)
    Disk.objects.get_or_create(pk=1, defaults={"free_bytes": 1, "total_bytes": 2, "looked_at": NOW})
    AlertWatch.objects.get_or_create(pk=1)
    interval = IntervalSchedule.objects.create(every=7, period="minutes")
    PeriodicTask.objects.create(name="tidy", task="tidy", interval=interval)
    CrontabSchedule.objects.create()
    ClockedSchedule.objects.create(clocked_time=NOW)
    SolarSchedule.objects.create(event="sunrise", latitude=1, longitude=1)
    return world, agent, user


def many_of_everything() -> None:
    order = [*map(apps.get_model, FIRST), *registered()]
    for model in dict.fromkeys(order):
        if model._meta.label_lower not in SINGLE | GROWN:
            multiply(model, MANY)

from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.ids import new_id


class Heart(models.Model):
    """The one counter of heartbeats. Its row is compared and set, so two beats at once count one tick."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    tick_number = models.BigIntegerField(default=0)
    beat_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True, help_text="First beat after a silence of more than ten seconds.")

    class Meta:
        db_table = "heart"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="heart_only_one")]

    def __str__(self) -> str:
        return f"tick {self.tick_number}"


class HeartbeatTick(models.Model):
    """One of the latest heartbeats. The table is a ring: `slot` is the number modulo `RING`."""

    RING = 3600

    slot = models.IntegerField(primary_key=True)
    number = models.BigIntegerField()
    at = models.DateTimeField()
    latency_ms = models.FloatField()
    active_domains = models.IntegerField()

    class Meta:
        db_table = "heartbeat_ticks"
        verbose_name = "heartbeat"

    def __str__(self) -> str:
        return f"heartbeat {self.number}"


class Node(models.Model):
    """A web process that serves sockets. Written by `nodes` only, on the database's clock."""

    class Status(models.TextChoices):
        """What was told of it last: one that is live and silent is dead to everybody before that is noted here."""

        LIVE = "live", "live"  # it beats
        LEFT = "left", "left"  # it said goodbye
        DEAD = "dead", "dead"  # it was silent for five seconds

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=255, help_text="Of its machine.")
    address = models.CharField(max_length=500, help_text="ws://host:port, as clients reach it.")
    pid = models.IntegerField()
    status = models.CharField(max_length=4, choices=Status, default=Status.LIVE)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Its last beat, or when it left.")
    cpu = models.FloatField(default=0.0, help_text="Share of a processor, 0–1.")
    memory_mb = models.FloatField(default=0.0)
    sessions = models.IntegerField(default=0, help_text="Sockets that are open.")

    class Meta:
        db_table = "nodes"
        constraints = [
            models.CheckConstraint(condition=~Q(address=""), name="node_address_given"),
            models.CheckConstraint(
                condition=Q(cpu__gte=0, cpu__lte=1, memory_mb__gte=0, sessions__gte=0), name="node_figures_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.pid}"

from __future__ import annotations

from django.db import models
from django.db.models import Q


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

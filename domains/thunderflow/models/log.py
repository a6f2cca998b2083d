"""The log's tables. They are made by hand-written SQL (partitions, per-leaf indexes); these classes read them."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    """One thing that happened. Append-only; `position` orders all events, `seq` those of one stream without a gap."""

    position = models.BigIntegerField(primary_key=True)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    id = models.UUIDField()
    correlation_id = models.UUIDField(null=True)
    causation_id = models.UUIDField(null=True)
    event_version = models.SmallIntegerField()
    priority = models.SmallIntegerField()
    stream = models.TextField()
    topic = models.TextField()
    actor = models.TextField()
    node = models.TextField()
    payload = models.JSONField()

    class Meta:
        managed = False
        db_table = "events"
        ordering = ["-position"]

    def __str__(self) -> str:
        return f"{self.position} {self.topic}"


class Stream(models.Model):
    """How far one stream has come. The row's lock is what makes `seq` gap-free."""

    name = models.TextField(primary_key=True)
    seq = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "event_streams"

    def __str__(self) -> str:
        return f"{self.name} at {self.seq}"

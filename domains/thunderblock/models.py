from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.timestamps import Stamped


class Status(models.TextChoices):
    """States of a domain."""

    WAITING = "waiting", "waiting"  # for a heartbeat, and for those it depends on
    ACTIVE = "active", "active"  # its tasks run and its doors are open
    INACTIVE = "inactive", "inactive"  # switched off by an operator
    CRASHED = "crashed", "crashed"  # failed; tried again at `retry_at`
    RESTARTING = "restarting", "restarting"  # being tried again


class ActiveDomain(Stamped):
    """One domain's place in the registry."""

    domain_name = models.CharField(max_length=100, unique=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.WAITING)
    enabled = models.BooleanField(default=True, help_text="An operator's wish. Off stays off over restarts.")
    reason = models.CharField(max_length=500, blank=True, default="", help_text="Why it is not active.")
    tick_count = models.BigIntegerField(default=0, help_text="Heartbeats that it has acknowledged.")
    last_tick = models.BigIntegerField(default=0, help_text="Number of the last heartbeat acknowledged.")
    failures = models.IntegerField(default=0, help_text="Failed activations in a row.")
    metadata = models.JSONField(default=dict, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    ticked_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "active_domain_registry"
        ordering = ["domain_name"]
        verbose_name = "domain"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="domain_status_known"),
            models.CheckConstraint(condition=Q(tick_count__gte=0) & Q(failures__gte=0), name="domain_counts_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.domain_name} ({self.status})"

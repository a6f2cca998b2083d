from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from domains.timestamps import Stamped

LEAST_BYTES = 1_000_000
"""Least ceiling of a store: a smaller one would let go of what was just written."""


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


class RetentionPolicy(Stamped):
    """How much of one store is kept. Rows are made for every store that the code knows."""

    store = models.CharField(max_length=50, unique=True, help_text="What it is about.")
    enabled = models.BooleanField(default=True, help_text="Off: nothing goes, whatever its age or size.")
    keep_days = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text="What is older goes. Empty: nothing goes for its age.",
    )
    max_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST_BYTES)],
        help_text="The oldest goes while there is more than this, in bytes. Empty: no ceiling.",
    )
    held_by = models.JSONField(default=list, editable=False, help_text="Subscribers that hold up what should go.")
    looked_at = models.DateTimeField(null=True, editable=False, help_text="When it was last carried out.")

    class Meta:
        db_table = "retention_policies"
        ordering = ["store"]
        verbose_name_plural = "retention policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(keep_days=None) | Q(keep_days__gte=1, keep_days__lte=36_500), name="retention_days_sensible"
            ),
            models.CheckConstraint(
                condition=Q(max_bytes=None) | Q(max_bytes__gte=LEAST_BYTES), name="retention_bytes_sensible"
            ),
        ]

    def __str__(self) -> str:
        return self.store


class DiskLevel(models.TextChoices):
    """How much room the database's disk has."""

    OK = "ok", "ok"  # enough
    LOW = "low", "low"  # operators are told
    CRITICAL = "critical", "critical"  # and what can wait waits: worlds stand still


class Disk(models.Model):
    """The database's disk as it was last looked at; one row, none when the database is on another machine."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    level = models.CharField(max_length=10, choices=DiskLevel, default=DiskLevel.OK)
    free_bytes = models.BigIntegerField()
    total_bytes = models.BigIntegerField()
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "disk_watch"
        constraints = [
            models.CheckConstraint(condition=Q(level__in=DiskLevel.values), name="disk_level_known"),
            models.CheckConstraint(condition=Q(id=1), name="disk_once"),
        ]

    def __str__(self) -> str:
        return self.level

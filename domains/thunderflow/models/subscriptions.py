"""Who follows the log, how far they have come, and what they could not handle."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from domains.timestamps import Stamped


class Subscription(Stamped):
    """A follower of the log as its code declares it, with an operator's wishes."""

    name = models.CharField(max_length=100, unique=True)
    pattern = models.CharField(max_length=500, help_text="Topics that it follows.")
    shards = models.SmallIntegerField(help_text="Into how many parts streams are dealt; each part is in order.")
    paused = models.BooleanField(default=False, help_text="An operator's wish. Nothing is lost, only later.")
    paused_by = models.CharField(max_length=200, blank=True, default="")
    declared = models.BooleanField(default=True, help_text="Whether code that runs declares it.")
    alerted = models.BooleanField(default=False, help_text="Whether its many dead letters have been told of.")

    class Meta:
        db_table = "event_subscriptions"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(shards__gte=1, shards__lte=64), name="event_subscription_shards"),
        ]

    def __str__(self) -> str:
        return self.name


class Cursor(models.Model):
    """How far one shard has come. Moves in the transaction of what the events did, under the row's lock."""

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="cursors")
    shard = models.SmallIntegerField()
    position = models.BigIntegerField(default=0, help_text="Everything up to here is handled or parked.")
    handled = models.BigIntegerField(default=0, help_text="Events that took effect.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "event_cursors"
        ordering = ["subscription", "shard"]
        constraints = [models.UniqueConstraint(fields=["subscription", "shard"], name="event_cursor_once")]

    def __str__(self) -> str:
        return f"shard {self.shard} at {self.position}"


class Lease(models.Model):
    """Which process works at a shard, and until when that holds by the database's clock."""

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="leases")
    shard = models.SmallIntegerField()
    holder = models.UUIDField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "event_leases"
        constraints = [models.UniqueConstraint(fields=["subscription", "shard"], name="event_lease_once")]

    def __str__(self) -> str:
        return f"shard {self.shard} with {self.holder}"


class ParkedStream(models.Model):
    """A stream that is held back because its next event fails. All others go on."""

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="parked")
    shard = models.SmallIntegerField()
    stream = models.TextField()
    seq = models.BigIntegerField(help_text="Of the event that fails.")
    position = models.BigIntegerField(help_text="Of the event that fails: the log is kept from here on.")
    attempts = models.IntegerField()
    died = models.IntegerField(default=0, help_text="Events of it that became dead letters one after the other.")
    error_class = models.CharField(max_length=20)
    error = models.TextField()
    traceback = models.TextField(blank=True, default="")
    first_failed_at = models.DateTimeField()
    retry_at = models.DateTimeField()

    class Meta:
        db_table = "event_parked_streams"
        ordering = ["retry_at"]
        constraints = [models.UniqueConstraint(fields=["subscription", "stream"], name="event_parked_once")]

    def __str__(self) -> str:
        return f"{self.stream} at {self.seq}"


class DeadLetter(Stamped):
    """An event that a subscriber could not handle, whole, with why."""

    class Status(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", "waiting"  # for an operator
        RETRYING = "retrying", "retrying"  # sent again, out of order, as soon as its shard comes to it
        HANDLED = "handled", "handled"  # took effect when it was sent again
        DISCARDED = "discarded", "discarded"  # an operator let it go

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="dead_letters")
    shard = models.SmallIntegerField()
    stream = models.TextField()
    seq = models.BigIntegerField()
    position = models.BigIntegerField()
    topic = models.TextField()
    event = models.JSONField(help_text="The whole event, kept when the log is not.")
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    attempts = models.IntegerField()
    error_class = models.CharField(max_length=20)
    error = models.TextField()
    traceback = models.TextField(blank=True, default="")
    first_failed_at = models.DateTimeField()
    failed_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "event_dead_letters"
        ordering = ["-position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "retrying", "handled", "discarded"]), name="dead_letter_status_known"
            ),
            models.UniqueConstraint(fields=["subscription", "position"], name="dead_letter_once"),
        ]
        indexes = [
            models.Index(
                fields=["subscription", "shard"], name="dead_letters_retrying", condition=Q(status="retrying")
            ),
            models.Index(fields=["subscription"], name="dead_letters_waiting", condition=Q(status="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.topic} for {self.subscription_id}"


class Follower(models.Model):
    """A `manage.py follow` process."""

    id = models.UUIDField(primary_key=True)
    node = models.CharField(max_length=200)
    pid = models.IntegerField()
    serves = ArrayField(
        models.CharField(max_length=100), default=list, db_default=[], help_text="Subscribers that its code declares."
    )
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "event_followers"
        ordering = ["node", "pid"]

    def __str__(self) -> str:
        return f"{self.node} {self.pid}"


class Breaker(models.Model):
    """A circuit breaker, shared by all processes: of a handler (`handler:<name>`) or of an outside service."""

    name = models.CharField(max_length=200, primary_key=True)
    state = models.CharField(max_length=10, default="closed")
    failures = models.IntegerField(default=0, help_text="In a row.")
    successes = models.IntegerField(default=0, help_text="In a row, while it is half open.")
    opened_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True, default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "circuit_breakers"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["closed", "open", "half-open"]), name="breaker_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

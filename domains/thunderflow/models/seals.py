"""What the log was when it was sealed, and which of its rows were redacted since."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Seal(models.Model):
    """A stretch of the event log as it was once: all events from `first` to `last`. Written by `seals` alone."""

    number = models.BigIntegerField(primary_key=True)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    events = models.IntegerField(help_text="How many there were.")
    digest = models.BinaryField(max_length=32, help_text="Keyed, of the events' digests in their order.")
    chain = models.BinaryField(max_length=32, help_text="Keyed, of the seal before and of this one.")
    key_id = models.BinaryField(max_length=8, help_text="Which key it was made with.")
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "event_seals"
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(condition=Q(last__gte=F("first")), name="seal_covers_something"),
            models.CheckConstraint(condition=Q(events__gte=0), name="seal_events_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


class RedactedRow(models.Model):
    """A row of a log that was redacted, as digests of what it was and is. The same row may be so again."""

    id = models.BigAutoField(primary_key=True)
    redaction_id = models.UUIDField()
    log = models.CharField(max_length=50, help_text="The table.")
    key = models.CharField(max_length=200, help_text="Of the row.")
    was = models.BinaryField(max_length=32)
    now = models.BinaryField(max_length=32)
    proof = models.BinaryField(max_length=32, help_text="Keyed, of all of it: only the system itself can write one.")
    key_id = models.BinaryField(max_length=8)

    class Meta:
        db_table = "redacted_rows"
        ordering = ["id"]
        indexes = [models.Index(fields=["log", "key", "id"], name="redacted_rows_of_a_row")]

    def __str__(self) -> str:
        return f"{self.log} {self.key}"

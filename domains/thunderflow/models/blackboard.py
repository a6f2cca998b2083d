"""The blackboard's rows. They are written by `blackboard.actions` alone, so that each change has its event."""

from __future__ import annotations

from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Now

from domains.fields import WrittenJSONField


class Namespace(models.Model):
    """The first token of keys, with an owner. Made by the first put, or by hand."""

    class Writers(models.TextChoices):
        """Who may put and delete."""

        EVERYBODY = "everybody", "everybody"  # whoever is signed in, agents and programs too
        OWNER = "owner", "the owner"  # and operators

    name = models.CharField(max_length=500, primary_key=True, db_collation="C")
    owner = models.CharField(max_length=500, help_text="user:<name>, or agent:<name>@<world>.")
    writers = models.CharField(max_length=10, choices=Writers, default=Writers.EVERYBODY)
    inserted_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        db_table = "blackboard_namespaces"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(writers__in=["everybody", "owner"]), name="blackboard_writers_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Entry(models.Model):
    """One piece of knowledge. Keys sort by code point, so that the primary key serves ranges of prefixes too."""

    key = models.CharField(max_length=500, primary_key=True, db_collation="C")
    value = WrittenJSONField()
    version = models.BigIntegerField(help_text="Place of its latest event in the namespace's stream.")
    author = models.CharField(max_length=500, help_text="Who put it, as it owns namespaces.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on it is as if it were not there.")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "blackboard_entries"
        ordering = ["key"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(Func("key", function="reverse"), name="blackboard_backwards"),
            models.Index(fields=["expires_at"], name="blackboard_expiring", condition=Q(expires_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(version__gte=1), name="blackboard_version_positive"),
        ]

    def __str__(self) -> str:
        return self.key

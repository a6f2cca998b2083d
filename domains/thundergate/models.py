from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from domains.fields import EncryptedField
from domains.ids import new_id
from domains.thundergate.alerts.models import Alert, AlertRule, AlertWatch
from domains.thundergate.audit.models import AuditEntry
from domains.thundergate.repeats.models import Repeatable

__all__ = ["AccessToken", "Alert", "AlertRule", "AlertWatch", "AuditEntry", "Redaction", "Repeatable", "User"]


class User(AbstractUser):
    """A person who signs in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"
        permissions = [
            ("see_every_world", "Can see every world, private ones too"),
            ("read_all_memories", "Can read what any agent remembers"),
        ]


class ApiKey(models.Model):
    """A key with which a program acts as its owner, for some uses; its secret is kept nowhere. Written by `keys`."""

    class State(models.TextChoices):
        """What showing it would say, its owner's account aside."""

        GOOD = "good", "good"  # lets its owner's program in
        EXPIRED = "expired", "expired"  # its time is over
        REVOKED = "revoked", "revoked"  # somebody ended it

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    prefix = models.CharField(max_length=16, unique=True, help_text="How one tells it from others.")
    digest = models.CharField(max_length=64, editable=False)
    name = models.CharField(max_length=100, help_text="What it is for.")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    scopes = ArrayField(models.CharField(max_length=60), help_text="What it may be used for.")
    agent_id = models.UUIDField(null=True, blank=True, help_text="The agent for which alone it acts.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="None: good until it is revoked.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To a minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="", help_text="Why it was revoked.")

    class Meta:
        db_table = "api_keys"
        ordering = ["-created_at", "-id"]
        verbose_name = "API key"
        indexes = [
            models.Index(fields=["agent_id"], name="api_keys_agent", condition=Q(agent_id__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="api_keys_newest"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(name="") & ~Q(digest=""), name="api_key_complete"),
            models.CheckConstraint(condition=Q(scopes__len__gte=1, scopes__len__lte=64), name="api_key_has_scopes"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")), name="api_key_has_a_life"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def state(self, now: datetime) -> State:
        """Revoked stays revoked."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at is not None and self.expires_at <= now else self.State.GOOD


class MemoryGrant(models.Model):
    """Somebody may read what an agent remembers that is not theirs. Written by `grants` only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memory_grants")
    agent_id = models.UUIDField()
    granted_by = models.CharField(max_length=200)
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "memory_grants"
        ordering = ["-granted_at", "-id"]
        indexes = [models.Index(fields=["agent_id"], name="memory_grants_agent")]
        constraints = [
            models.UniqueConstraint(fields=["user", "agent_id"], name="memory_grant_unique"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("granted_at")), name="memory_grant_has_a_life"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} → {self.agent_id}"


class AccessToken(models.Model):
    """What is known of a token that was issued; the token itself is kept nowhere. Written by `tokens` only."""

    class State(models.TextChoices):
        """What reading it would say, its user's account aside."""

        GOOD = "good", "good"  # lets its user in
        EXPIRED = "expired", "expired"  # its time is over
        REVOKED = "revoked", "revoked"  # somebody ended it before its time

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    key = models.ForeignKey(
        ApiKey, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens",
        help_text="What it was given for; it ends with it.",
    )  # fmt: skip
    scopes = ArrayField(models.CharField(max_length=60), null=True, blank=True, help_text="None: all its user may.")
    generation = models.IntegerField(
        null=True, editable=False, help_text="How often a session of JWTs was refreshed; none: a signed token."
    )
    agent_id = models.UUIDField(null=True, blank=True, help_text="The agent that it speaks for.")
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="", help_text="Why it was revoked.")

    class Meta:
        db_table = "access_tokens"
        ordering = ["-issued_at", "-id"]
        indexes = [
            models.Index(fields=["agent_id"], name="access_tokens_agent", condition=Q(agent_id__isnull=False)),
            models.Index(fields=["expires_at"], name="access_tokens_expiry"),
            models.Index(fields=["-issued_at", "-id"], name="access_tokens_newest"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="access_token_has_a_life"),
            models.CheckConstraint(
                condition=Q(generation__isnull=True) | Q(generation__gte=0), name="access_token_generation"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def state(self, now: datetime) -> State:
        """Revoked stays revoked."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= now else self.State.GOOD


class Redaction(models.Model):
    """A wish that somebody be forgotten, how far it has come, and what it did. It never says in the open who it is."""

    class Status(models.TextChoices):
        """How far it has come."""

        RUNNING = "running", "running"  # begun; whoever runs it next goes on where it was
        WAITING = "waiting", "waiting"  # for something under way; then all is gone through once more
        DONE = "done", "done"  # the last pass found nothing

    class Kind(models.TextChoices):
        """What is forgotten."""

        AGENT = "agent", "agent"
        PERSON = "person", "person"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=6, choices=Kind)
    about = models.UUIDField(null=True, blank=True, help_text="The agent's or user's id; none: somebody known by name.")
    subject = EncryptedField(blank=True, default="", help_text="Names and the like, encrypted; gone once it is done.")
    by = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    status = models.CharField(max_length=7, choices=Status, default=Status.RUNNING)
    round = models.SmallIntegerField(default=1, help_text="Everything is gone through twice at least.")
    holding = models.CharField(max_length=100, blank=True, default="", help_text="Where it is.")
    after = models.JSONField(null=True, blank=True, help_text="And the last row there.")
    found = models.BigIntegerField(default=0, help_text="Rows that this round changed or removed.")
    clean_at = models.DateTimeField(null=True, blank=True, help_text="When the first round was over.")
    counts = models.JSONField(default=dict, help_text="By table: rows changed and removed.")
    waits_for = models.CharField(max_length=500, blank=True, default="")
    requested_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "redactions"
        ordering = ["-id"]
        permissions = [
            ("redact", "Can have agents and people forgotten"),
            ("export_about", "Can export all that is held about an agent or a person"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["running", "waiting", "done"]), name="redaction_status_known"
            ),
            models.CheckConstraint(condition=Q(kind__in=["agent", "person"]), name="redaction_kind_known"),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(by=""), name="redaction_is_accounted_for"),
            models.CheckConstraint(condition=~Q(status="done") | Q(subject=""), name="redaction_done_knows_no_name"),
            models.CheckConstraint(condition=Q(round__gte=1), name="redaction_round_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

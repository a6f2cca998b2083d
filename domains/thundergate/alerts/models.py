from __future__ import annotations

from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from domains.timestamps import Stamped

MOST_SECONDS = 86_400
MOST_COUNT = 1000


class AlertRule(Stamped):
    """When somebody shall be told. A row of the admin; the shipped ones can be changed and switched off."""

    class Severity(models.TextChoices):
        """How soon a person should look."""

        WARNING = "warning", "warning"  # today
        CRITICAL = "critical", "critical"  # now

    class Kind(models.TextChoices):
        """What is looked at."""

        METRIC = "metric", "metric"  # a sample of /metrics, each of them by itself
        EVENT = "event", "event"  # how many events there were lately

    class Comparison(models.TextChoices):
        """How a sample and the threshold stand."""

        ABOVE = "above", "above"
        BELOW = "below", "below"
        MISSING = "missing", "missing"  # there is no such sample

    name = models.CharField(max_length=100, unique=True, validators=[MinLengthValidator(1)])
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.METRIC)
    metric = models.CharField(
        max_length=200, blank=True, default="", validators=[RegexValidator(r"\A[a-zA-Z_:][a-zA-Z0-9_:]*\Z")],
        help_text="As /metrics calls it.",
    )  # fmt: skip
    labels = models.JSONField(
        default=dict, blank=True, help_text='Labels that a sample must have: {"subscriber": "…"}. Others may vary.'
    )
    comparison = models.CharField(max_length=7, choices=Comparison, default=Comparison.ABOVE)
    threshold = models.FloatField(default=0.0)
    topic = models.CharField(max_length=500, blank=True, default="", help_text="A pattern of topics of events.")
    count = models.IntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_COUNT)],
        help_text="So many events within the seconds below.",
    )  # fmt: skip
    seconds = models.IntegerField(
        default=0, validators=[MinValueValidator(0), MaxValueValidator(MOST_SECONDS)],
        help_text="For how long a sample must be so; of events: the window in which they are counted.",
    )  # fmt: skip
    hint = models.CharField(max_length=500, blank=True, default="", help_text="What to do about it.")
    hits = models.JSONField(default=list, editable=False, help_text="When the latest of its events were.")

    class Meta:
        db_table = "alert_rules"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="alert_rule_name_given"),
            models.CheckConstraint(condition=Q(severity__in=["warning", "critical"]), name="alert_severity_known"),
            models.CheckConstraint(condition=Q(comparison__in=["above", "below", "missing"]),
                                   name="alert_comparison_known"),
            models.CheckConstraint(
                condition=Q(kind="metric") & ~Q(metric="") | Q(kind="event", seconds__gte=1) & ~Q(topic=""),
                name="alert_rule_looks_at_something",
            ),
            models.CheckConstraint(
                condition=Q(seconds__gte=0, seconds__lte=MOST_SECONDS, count__gte=1, count__lte=MOST_COUNT),
                name="alert_rule_range",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """What one rule found at one set of labels, from when it began until it was over."""

    class State(models.TextChoices):
        """How it stands."""

        PENDING = "pending", "pending"  # it is so, but not for long enough; told to nobody
        FIRING = "firing", "firing"
        RESOLVED = "resolved", "resolved"  # it is so no more

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts")
    key = models.CharField(max_length=500, blank=True, default="", help_text="The labels of its sample.")
    state = models.CharField(max_length=8, choices=State)
    severity = models.CharField(max_length=8)
    since = models.DateTimeField(help_text="When it began to be so.")
    fired_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    details = models.JSONField(default=dict, help_text="What was found, the latest.")
    acknowledged_by = models.CharField(max_length=200, blank=True, default="")
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "alerts"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "key"], condition=~Q(state="resolved"), name="alert_once_open"),
            models.CheckConstraint(condition=Q(state__in=["pending", "firing", "resolved"]), name="alert_state_known"),
            models.CheckConstraint(
                condition=Q(state="pending") | Q(fired_at__isnull=False), name="alert_fired_before_it_is_over"
            ),
            models.CheckConstraint(
                condition=Q(state="resolved", resolved_at__isnull=False) | Q(resolved_at=None) & ~Q(state="resolved"),
                name="alert_over_at_some_time",
            ),
        ]
        indexes = [models.Index(fields=["resolved_at"], name="alerts_over", condition=Q(state="resolved"))]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.key} {self.state}"


class AlertWatch(models.Model):
    """How far events were looked at; its lock is that of whoever evaluates. One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    position = models.BigIntegerField(null=True, help_text="None: from now on.")
    evaluated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "alert_watch"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="alert_watch_is_one")]

    def __str__(self) -> str:
        return f"evaluated at {self.evaluated_at}"

"""What operators say of tools, and outside servers with theirs."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from domains.fields import EncryptedField, WrittenJSONField
from domains.timestamps import Stamped


class ToolSetting(models.Model):
    """Whether a tool for AI clients is on, and for whom. A tool without a row is on, for all whose scopes cover it."""

    name = models.CharField(max_length=100, primary_key=True)
    enabled = models.BooleanField(default=True, help_text="Off: nobody sees or calls it.")
    roles = models.ManyToManyField(
        Group, blank=True, related_name="+", help_text="Only for people of these groups, and operators; none: for all."
    )

    class Meta:
        db_table = "tool_settings"
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="tool_setting_named")]

    def __str__(self) -> str:
        return self.name


def _between(least: float, most: float) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class OutsideServer(Stamped):
    """Somebody else's MCP server, whose tools agents may be let use."""

    name = models.CharField(
        max_length=40, unique=True, help_text="Its tools are called <name>.<tool>. Not to be changed afterwards.",
        validators=[RegexValidator(r"\A[a-z][a-z0-9_-]*\Z", "Small letters, digits, - and _, a letter first.")],
    )  # fmt: skip
    url = models.CharField("URL", max_length=500, help_text="Of its streamable HTTP: https://tools.example.org/mcp")
    token = EncryptedField(blank=True, default="", help_text="Kept encrypted; never shown again.")
    enabled = models.BooleanField(default=True, help_text="Off: none of its tools is called, and it is not asked.")
    timeout_s = models.FloatField(default=20.0, validators=_between(0.1, 120), help_text="Longest a call may take.")
    calls_per_minute = models.IntegerField(default=60, validators=_between(1, 100_000), help_text="Of all agents.")
    agent_calls_per_minute = models.IntegerField(default=6, validators=_between(1, 10_000), help_text="Of each agent.")
    max_in_flight = models.SmallIntegerField(
        default=4, validators=_between(1, 100), help_text="Calls at once, of each process."
    )
    # What was found out; the circuit breaker is thunderflow's, `outside:<name>`.
    look_at = models.DateTimeField(default=timezone.now, editable=False, help_text="Its tools are listed anew then.")
    looked_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, default="", editable=False)

    class Meta:
        db_table = "outside_servers"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name="") & ~Q(name__contains="."), name="outside_server_name_fits"),
            models.CheckConstraint(condition=Q(timeout_s__gt=0, timeout_s__lte=120), name="outside_timeout_range"),
            models.CheckConstraint(
                condition=Q(calls_per_minute__gte=1, agent_calls_per_minute__gte=1, max_in_flight__gte=1),
                name="outside_limits_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OutsideTool(models.Model):
    """A tool as its server described it when it was last asked. Off until an operator has looked at it."""

    server = models.ForeignKey(OutsideServer, on_delete=models.CASCADE, related_name="tools")
    name = models.CharField(max_length=128, help_text="As its server calls it.")
    title = models.CharField(max_length=200, blank=True)
    description = models.CharField(max_length=4000, blank=True, help_text="As models are told.")
    input_schema = WrittenJSONField(default=dict)
    output_schema = WrittenJSONField(null=True)
    read_only = models.BooleanField(default=False, help_text="Its server says that it changes nothing.")
    idempotent = models.BooleanField(default=False, help_text="Its server says that twice is as good as once.")
    unfit = models.CharField(max_length=300, blank=True, default="", help_text="Why it cannot be used.")
    present = models.BooleanField(default=True, help_text="Whether its server still has it.")
    enabled = models.BooleanField(default=False, help_text="Agents may use it whose mods give it to them.")
    roles = models.ManyToManyField(
        Group,
        blank=True,
        related_name="+",
        help_text="Only in worlds whose owner is in one of these groups, or an operator; none: in all.",
    )
    worlds = models.ManyToManyField("zones.World", blank=True, related_name="+", help_text="Only there; none: in all.")
    changed_at = models.DateTimeField(help_text="When its server last described it otherwise.")

    class Meta:
        db_table = "outside_tools"
        ordering = ["server__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["server", "name"], name="outside_tool_once"),
            models.CheckConstraint(condition=Q(enabled=False) | Q(unfit="", present=True), name="outside_tool_usable"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """As mods name it. One query if the server was not read with it."""
        return f"{self.server.name}.{self.name}"

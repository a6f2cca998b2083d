"""Agents, what modifies them, and the record of every tick."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from domains.fields import WrittenJSONField
from domains.timestamps import Stamped

STATS = ("energy", "creativity", "focus", "social", "exploration")
TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
MAX_INTERVAL = 100_000


class Lifecycle(models.TextChoices):
    """Where an agent is in its life. Only active agents tick."""

    SEED = "seed", "seed"  # made, not yet anywhere
    DORMANT = "dormant", "dormant"  # can be woken
    ACTIVE = "active", "active"  # ticks
    SUSPENDED = "suspended", "suspended"  # stopped by a person or by a fault
    ARCHIVED = "archived", "archived"  # out of its zone; kept, and can be brought back to dormant


TRANSITIONS: dict[str, frozenset[str]] = {
    Lifecycle.SEED: frozenset({Lifecycle.DORMANT}),
    Lifecycle.DORMANT: frozenset({Lifecycle.ACTIVE, Lifecycle.ARCHIVED}),
    Lifecycle.ACTIVE: frozenset({Lifecycle.SUSPENDED, Lifecycle.ARCHIVED}),
    Lifecycle.SUSPENDED: frozenset({Lifecycle.ACTIVE, Lifecycle.ARCHIVED}),
    Lifecycle.ARCHIVED: frozenset({Lifecycle.DORMANT}),
}


def _within(low: float, high: float, names: tuple[str, ...]) -> Q:
    condition = Q()
    for name in names:
        condition &= Q(**{f"{name}__gte": low, f"{name}__lte": high})
    return condition


def _stat(default: float) -> models.FloatField:
    return models.FloatField(default=default, validators=[MinValueValidator(0), MaxValueValidator(100)])


def _trait() -> models.FloatField:
    return models.FloatField(default=0.5, validators=[MinValueValidator(0), MaxValueValidator(1)])


class Agent(Stamped):
    """One PAC agent. Columns that ticks update carry no index, and the page keeps room for HOT updates."""

    world = models.ForeignKey("zones.World", on_delete=models.CASCADE, related_name="agents", db_index=False)
    zone = models.ForeignKey("zones.Zone", on_delete=models.PROTECT, related_name="agents", db_index=False)
    home_zone = models.ForeignKey(
        "zones.Zone", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    ordinal = models.IntegerField(help_text="Place in the world's fixed order; chance follows from it.")
    name = models.CharField(max_length=100, validators=[MinLengthValidator(1)])
    description = models.CharField(max_length=1000, blank=True, default="")
    lifecycle = models.CharField(max_length=9, choices=Lifecycle, default=Lifecycle.DORMANT)
    openness = _trait()
    conscientiousness = _trait()
    extraversion = _trait()
    agreeableness = _trait()
    neuroticism = _trait()
    capabilities = models.JSONField(default=list, blank=True, help_text="What it can do besides the usual.")
    mod_count = models.SmallIntegerField(default=0, editable=False, help_text="Mods in force.")
    mail = models.IntegerField(default=0, editable=False, help_text="Messages that wait in its inbox.")
    reasoner = models.CharField(max_length=50, default="rules", help_text="Kind of reasoner that decides for it.")
    model = models.CharField(max_length=100, blank=True, default="")
    temperature = models.FloatField(default=0.7)
    max_tokens = models.IntegerField(default=512)
    system_prompt = models.TextField(blank=True, default="")
    narrator = models.CharField(
        max_length=5,
        default="rules",
        choices=[("rules", "rules"), ("model", "its model")],
        help_text="Who tells its story.",
    )
    movement_range = models.FloatField(default=10.0)
    tick_interval = models.IntegerField(default=30, help_text="World ticks between two ticks.")
    # Changed by ticks.
    energy = _stat(80.0)
    creativity = _stat(50.0)
    focus = _stat(50.0)
    social = _stat(50.0)
    exploration = _stat(50.0)
    mood = models.FloatField(default=0.0)
    activity = models.CharField(max_length=100, blank=True, default="")
    current_focus = models.CharField(max_length=200, blank=True, default="")
    goals = WrittenJSONField(default=list, blank=True, help_text="[{name, progress 0–1}]")
    working_memory = WrittenJSONField(default=list, blank=True, help_text="The latest few memories, oldest first.")
    recent_actions = models.TextField(
        blank=True, default="", help_text="The latest few actions, oldest first, one a line."
    )
    x = models.FloatField(default=50.0)
    y = models.FloatField(default=50.0)
    z = models.FloatField(default=0.0)
    tick_number = models.BigIntegerField(default=0)
    last_tick = models.BigIntegerField(default=0, help_text="World tick of its latest tick.")
    due_tick = models.BigIntegerField(default=1, help_text="World tick of its next one.")

    class Meta:
        db_table = "pac_agents"
        ordering = ["name"]
        indexes = [
            models.Index(fields=["zone", "ordinal"], name="pac_agents_zone_ordinal"),
            # Those who think with a model are few, and looked for many times a second.
            models.Index(fields=["world"], name="pac_agents_thinking", condition=~Q(reasoner="rules")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["world", "name"], name="agent_name_unique"),
            models.UniqueConstraint(fields=["world", "ordinal"], name="agent_ordinal_unique"),
            models.CheckConstraint(condition=~Q(name=""), name="agent_name_given"),
            models.CheckConstraint(condition=Q(lifecycle__in=Lifecycle.values), name="agent_lifecycle_known"),
            models.CheckConstraint(condition=_within(0, 100, STATS), name="agent_stats_range"),
            models.CheckConstraint(condition=_within(0, 1, TRAITS), name="agent_traits_range"),
            models.CheckConstraint(condition=_within(-1, 1, ("mood",)), name="agent_mood_range"),
            models.CheckConstraint(
                condition=Q(tick_interval__gte=1, tick_interval__lte=MAX_INTERVAL),
                name="agent_interval_range",
            ),
            models.CheckConstraint(condition=Q(tick_number__gte=0), name="agent_tick_number_positive"),
            models.CheckConstraint(condition=Q(movement_range__gte=0), name="agent_movement_range_positive"),
            models.CheckConstraint(condition=Q(mail__gte=0), name="agent_mail_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def stats(self) -> dict[str, float]:
        """Base stats, 0–100, without mods."""
        return {name: getattr(self, name) for name in STATS}

    @property
    def traits(self) -> dict[str, float]:
        """Big Five, 0–1, without mods."""
        return {name: getattr(self, name) for name in TRAITS}

    @property
    def state(self) -> dict[str, object]:
        """Mood −1…1, activity, goals, current focus."""
        return {name: getattr(self, name) for name in ("mood", "activity", "goals", "current_focus")}

    @property
    def position(self) -> dict[str, float]:
        """Where it stands in its zone."""
        return {"x": self.x, "y": self.y, "z": self.z}


class Mod(Stamped):
    """Something that changes what an agent can do and how it chooses, for a time or for good."""

    class Kind(models.TextChoices):
        """What sort of change it is."""

        BEHAVIOR = "behavior", "behavior"
        CAPABILITY = "capability", "capability"
        MEMORY = "memory", "memory"
        TOOL = "tool", "tool"
        PERSONALITY = "personality", "personality"
        STAT_BOOST = "stat_boost", "stat boost"
        SKILL = "skill", "skill"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="mods")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=11, choices=Kind)
    effects = models.JSONField(default=dict, blank=True)
    applied_tick = models.BigIntegerField(default=0, help_text="World tick at which it was applied.")
    expires_tick = models.BigIntegerField(
        null=True, blank=True, help_text="Last world tick of its force; none: permanent."
    )
    active = models.BooleanField(default=True)

    class Meta:
        db_table = "pac_mods"
        ordering = ["agent", "name"]
        constraints = [
            models.UniqueConstraint(fields=["agent", "name"], condition=Q(active=True), name="mod_once_in_force"),
            models.CheckConstraint(condition=~Q(name=""), name="mod_name_given"),
            models.CheckConstraint(
                condition=Q(expires_tick__isnull=True) | Q(expires_tick__gt=models.F("applied_tick")),
                name="mod_lasts",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TickLog(models.Model):
    """One tick of one agent, complete. Partitioned by day; `(agent, tick_number)` is unique in each leaf."""

    id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.DO_NOTHING, related_name="ticks", db_constraint=False)
    zone = models.ForeignKey("zones.Zone", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False)
    tick_number = models.BigIntegerField()
    world_tick = models.BigIntegerField()
    inserted_at = models.DateTimeField()
    processing_time = models.FloatField(help_text="Milliseconds: this agent's share of its chunk.")
    confidence = models.FloatField()
    state_hash = models.BinaryField(help_text="Of the agent's state after the tick; no ids, times or durations in it.")
    action = models.TextField()
    reasoning = models.TextField()
    narrative = models.TextField()
    decision = WrittenJSONField(help_text="Arguments, expected outcome, alternatives with their scores.")
    review = WrittenJSONField(help_text="Verdict on the decision before it was applied.")
    stat_changes = WrittenJSONField(help_text="Effective changes, after clamping.")
    state_changes = WrittenJSONField()
    memories = WrittenJSONField(help_text="Ids of the memories formed.")
    stage_ms = WrittenJSONField(help_text="Milliseconds of each stage, shared by the chunk's agents.")
    usage = WrittenJSONField(null=True, help_text="Tokens and milliseconds, when a model decided.")
    error = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "tick_logs"
        ordering = ["-tick_number"]

    def __str__(self) -> str:
        return f"{self.agent_id} tick {self.tick_number}: {self.action}"

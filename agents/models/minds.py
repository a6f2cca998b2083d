"""What thinking with models takes: where they are, what they cost and may cost, and every call that was made."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from domains.fields import EncryptedField, WrittenJSONField
from domains.timestamps import Stamped


def _money(**options: object) -> models.DecimalField:
    """US dollars, to a billionth: a single token of a cheap model costs less than a millionth."""
    return models.DecimalField(max_digits=19, decimal_places=9, default=0, **options)  # type: ignore[arg-type]


class Endpoint(Stamped):
    """A model at an address that speaks the chat completions API."""

    class Tier(models.TextChoices):
        """What the router takes it for."""

        STANDARD = "standard", "standard"  # for agents that name no endpoint
        CHEAP = "cheap", "cheap"  # the router's choice when little is at stake
        EXPENSIVE = "expensive", "expensive"  # the router's choice when much is

    class Structured(models.TextChoices):
        """How the endpoint is asked to answer in JSON."""

        SCHEMA = "schema", "JSON schema"
        OBJECT = "object", "JSON object"
        NONE = "none", "only by the prompt"

    name = models.CharField(max_length=100, unique=True, validators=[MinLengthValidator(1)])
    base_url = models.CharField(max_length=500, help_text="With its path, such as http://127.0.0.1:11434/v1")
    api_key = EncryptedField(blank=True, default="", help_text="Kept encrypted; never shown again.")
    model = models.CharField(max_length=200, validators=[MinLengthValidator(1)], help_text="As the endpoint calls it.")
    tier = models.CharField(max_length=9, choices=Tier, default=Tier.STANDARD)
    structured = models.CharField(max_length=6, choices=Structured, default=Structured.SCHEMA)
    enabled = models.BooleanField(default=True)
    timeout_s = models.FloatField(
        default=30.0, validators=[MinValueValidator(0.1), MaxValueValidator(600)], help_text="Longest a call may take."
    )
    max_tries = models.SmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(10)], help_text="Calls for one decision."
    )
    max_in_flight = models.IntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="Calls at once, of each reasoner process.",
    )
    max_tokens = models.IntegerField(
        default=4096,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="Longest answer, whatever an agent may ask for.",
    )
    # What calls found out; the circuit breaker is thunderflow's, `endpoint:<name>`.
    rests_until = models.DateTimeField(null=True, editable=False, help_text="It asked to be left alone until then.")
    last_error = models.CharField(max_length=500, blank=True, default="", editable=False)

    class Meta:
        db_table = "mind_endpoints"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name="") & ~Q(name__contains=","), name="endpoint_name_fits"),
            models.CheckConstraint(condition=Q(timeout_s__gt=0, timeout_s__lte=600), name="endpoint_timeout_range"),
            models.CheckConstraint(condition=Q(max_tries__gte=1, max_tries__lte=10), name="endpoint_tries_range"),
            models.CheckConstraint(condition=Q(max_in_flight__gte=1), name="endpoint_in_flight_positive"),
            models.CheckConstraint(condition=Q(max_tokens__gte=1), name="endpoint_max_tokens_positive"),
        ]

    def __str__(self) -> str:
        return self.name


class Price(Stamped):
    """What a model's tokens cost, in US dollars a million."""

    model = models.CharField(max_length=200, unique=True, help_text="As endpoints call it.")
    prompt = _money(help_text="A million tokens of the question.", validators=[MinValueValidator(0)])
    completion = _money(help_text="A million tokens of the answer.", validators=[MinValueValidator(0)])

    class Meta:
        db_table = "mind_prices"
        ordering = ["model"]
        constraints = [
            models.CheckConstraint(condition=Q(prompt__gte=0, completion__gte=0), name="price_positive"),
        ]

    def __str__(self) -> str:
        return self.model


class Scope(models.TextChoices):
    """What spending is counted for."""

    AGENT = "agent", "agent"
    WORLD = "world", "world"
    ENDPOINT = "endpoint", "endpoint"


class SpendingCap(Stamped):
    """The most that may be spent within an hour or a day (both of UTC). Asked before a call is made."""

    class Period(models.TextChoices):
        """How long it counts."""

        HOUR = "hour", "hour"
        DAY = "day", "day"

    class Measure(models.TextChoices):
        """What is counted."""

        COST = "cost", "US dollars"
        TOKENS = "tokens", "tokens"
        CALLS = "calls", "calls"

    scope = models.CharField(max_length=8, choices=Scope)
    target_id = models.UUIDField(
        null=True, blank=True, help_text="The agent's, world's or endpoint's id; none: each of them by itself."
    )
    period = models.CharField(max_length=4, choices=Period, default=Period.DAY)
    measure = models.CharField(max_length=6, choices=Measure, default=Measure.COST)
    most = _money(validators=[MinValueValidator(0)])

    class Meta:
        db_table = "mind_spending_caps"
        ordering = ["scope", "target_id", "period", "measure"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "target_id", "period", "measure"], name="cap_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(most__gte=0), name="cap_positive"),
            models.CheckConstraint(condition=Q(scope__in=Scope.values), name="cap_scope_known"),
        ]

    def __str__(self) -> str:
        whom = f"{self.scope} {self.target_id}" if self.target_id else f"each {self.scope}"
        period = "an hour" if self.period == "hour" else "a day"
        return f"{whom}: at most {self.most.normalize():f} {self.get_measure_display()} {period}"


class Spending(models.Model):
    """What was spent for one agent, world or endpoint within one hour, calls under way with what they may cost."""

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(max_length=8, choices=Scope)
    target_id = models.UUIDField()
    hour = models.DateTimeField(help_text="When it began (UTC).")
    calls = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost = _money()

    class Meta:
        db_table = "mind_spending"
        verbose_name_plural = "spending"
        ordering = ["-hour", "scope"]
        constraints = [models.UniqueConstraint(fields=["scope", "target_id", "hour"], name="spending_once_an_hour")]

    def __str__(self) -> str:
        return f"{self.scope} {self.target_id} {self.hour:%Y-%m-%d %H:00}"


class ModelCall(models.Model):
    """One call of a model: written before it is made, completed when it is over."""

    class Status(models.TextChoices):
        """What became of it."""

        OPEN = "open", "open"  # under way
        ANSWERED = "answered", "answered"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped"  # by the switch, or because its process was asked to end
        LOST = "lost", "lost"  # its process died; counted with all that it may have cost

    id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey("agents.Agent", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False)
    world = models.ForeignKey(
        "zones.World", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    model = models.CharField(max_length=200)
    tick_number = models.BigIntegerField(help_text="The agent's tick that it was made for.")
    asked_tick = models.BigIntegerField(help_text="The world's tick at which it was asked.")
    attempt = models.SmallIntegerField()
    template_version = models.IntegerField()
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of the request's bytes.")
    request = WrittenJSONField()
    answer = models.TextField(blank=True, default="")
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    error_class = models.CharField(max_length=20, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    prompt_tokens = models.IntegerField(default=0)
    completion_tokens = models.IntegerField(default=0)
    cost = _money(help_text="While it is open or lost: the most that it can have cost.")
    ms = models.FloatField(null=True)
    started_at = models.DateTimeField()

    class Meta:
        db_table = "mind_calls"
        ordering = ["-id"]
        indexes = [models.Index(fields=["agent", "-id"], name="mind_calls_agent_newest")]

    def __str__(self) -> str:
        return f"{self.model} {self.status} {self.started_at:%Y-%m-%d %H:%M:%S}"


class Thought(models.Model):
    """An agent whose model is being asked, and the lease of the process that asks. Gone once it has acted."""

    agent = models.OneToOneField("agents.Agent", primary_key=True, on_delete=models.CASCADE, related_name="thought")
    asked_tick = models.BigIntegerField(help_text="The world's tick at which the agent was due.")
    attempt = models.SmallIntegerField(default=1)
    call_id = models.UUIDField(null=True)
    holder = models.UUIDField(null=True, help_text="The process that has the lease.")
    expires_at = models.DateTimeField(
        help_text="Anybody may take it over then; while it waits to be tried again, when."
    )
    last_error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "mind_thoughts"

    def __str__(self) -> str:
        return f"{self.agent_id} since tick {self.asked_tick}"


class PromptTemplate(Stamped):
    """One version of the words that models are asked with (Jinja). A change makes a new version."""

    version = models.IntegerField(unique=True, help_text="Calls say which one they used; 0 is the shipped one.")
    system = models.TextField(help_text="Who the agent is; it changes seldom.")
    user = models.TextField(help_text="How things stand at this tick.")
    active = models.BooleanField(default=False)
    author = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "mind_prompt_templates"
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="prompt_one_active"),
            models.CheckConstraint(condition=Q(version__gte=1), name="prompt_version_positive"),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class Switch(models.Model):
    """The one row that lets models be called, or stops all of it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    calls_allowed = models.BooleanField(default=True)
    by = models.CharField(max_length=150, blank=True, default="")
    reason = models.CharField(max_length=200, blank=True, default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "mind_switch"
        verbose_name_plural = "switch"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="switch_is_one")]

    def __str__(self) -> str:
        return "model calls are allowed" if self.calls_allowed else f"model calls are stopped: {self.reason}"


class ReasonerProcess(models.Model):
    """A reasoner process, as long as it is heard of."""

    id = models.UUIDField(primary_key=True)
    node = models.CharField(max_length=255)
    pid = models.IntegerField()
    in_flight = models.IntegerField(default=0)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "mind_reasoners"
        ordering = ["node", "pid"]

    def __str__(self) -> str:
        return f"{self.node}:{self.pid}"

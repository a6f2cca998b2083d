"""Worlds and zones. What is checked here as a constraint is checked for every door at once."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import F, Q

from domains.timestamps import Stamped

RESOURCES = ("food", "materials", "energy", "knowledge")
PROPERTIES = ("temperature", "humidity", "light", "noise")


class Permission(models.IntegerChoices):
    """What an ordinary member may do in a zone; bits of `Zone.permissions`."""

    SPAWN_AGENTS = 0x01
    MODIFY_ZONE = 0x02
    BROADCAST_EVENTS = 0x04
    ADMIN_ZONE = 0x08


class World(Stamped):
    """A world with a clock of its own. `tick` is where it is, `target_tick` how far it may go."""

    class Status(models.TextChoices):
        """Whether heartbeats move the clock."""

        RUNNING = "running", "running"  # each heartbeat lets it go on by `rate`
        PAUSED = "paused", "paused"  # only a step command does

    class Access(models.TextChoices):
        """Who may see it."""

        PRIVATE = "private", "private"  # its owner
        SHARED = "shared", "shared"  # its owner and its members
        OPEN = "open", "open"  # all who are signed in

    name = models.CharField(max_length=100, unique=True, validators=[MinLengthValidator(1)])
    description = models.CharField(max_length=1000, blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="worlds"
    )
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="shared_worlds")
    access = models.CharField(max_length=8, choices=Access, default=Access.PRIVATE)
    seed = models.BigIntegerField(default=0, help_text="All chance in the world follows from it.")
    status = models.CharField(max_length=8, choices=Status, default=Status.RUNNING)
    rate = models.FloatField(default=1.0, help_text="World ticks a heartbeat.")
    credit = models.FloatField(default=0.0, editable=False, help_text="Part of a tick carried to the next heartbeat.")
    tick = models.BigIntegerField(default=0)
    target_tick = models.BigIntegerField(default=0)
    next_ordinal = models.IntegerField(default=0, editable=False, help_text="Ordinal of the next agent.")
    # One tick after the other is timed, as soon as the one before is done.
    timed_tick = models.BigIntegerField(default=0, editable=False, help_text="The tick that is timed.")
    timed_from = models.DateTimeField(null=True, editable=False, help_text="When it became due; none: it is done.")
    took_ms = models.FloatField(null=True, editable=False, help_text="From due to done, of the last that was timed.")

    class Meta:
        db_table = "worlds"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="world_name_given"),
            models.CheckConstraint(condition=Q(rate__gt=0, rate__lte=1000), name="world_rate_range"),
            models.CheckConstraint(condition=Q(tick__gte=0, target_tick__gte=0), name="world_ticks_positive"),
            models.CheckConstraint(condition=Q(seed__gte=0), name="world_seed_positive"),
        ]

    def __str__(self) -> str:
        return self.name


class WorldSource(models.Model):
    """The world file that a world was loaded from. Megabytes for a large one, so it is no part of the world's row."""

    world = models.OneToOneField(World, primary_key=True, on_delete=models.CASCADE, related_name="source")
    content = models.JSONField()

    class Meta:
        db_table = "world_sources"

    def __str__(self) -> str:
        return f"the source of {self.world}"


def _between(low: float, high: float, *names: str) -> Q:
    condition = Q()
    for name in names:
        condition &= Q(**{f"{name}__gte": low, f"{name}__lte": high})
    return condition


class Zone(Stamped):
    """A place. Its row is the lock of all that happens in it, and holds what its people perceive at a glance."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="zones")
    ordinal = models.IntegerField(help_text="Place in the world's fixed order.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="zones"
    )
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=1000, blank=True, default="")
    capacity = models.IntegerField(default=100, help_text="Most agents at once (max_agents).")
    permissions = models.SmallIntegerField(default=Permission.SPAWN_AGENTS | Permission.BROADCAST_EVENTS)
    closed = models.BooleanField(default=False, help_text="A closed zone lets nobody do anything.")
    # No foreign key: rows of nodes are swept, and a zone need not be locked for it.
    assigned_server = models.UUIDField(null=True, blank=True, help_text="The node that clients are sent to.")
    # Rules, which a world file sets.
    movement_cost = models.FloatField(default=3.0, help_text="Energy that leaving for a neighbour costs.")
    interaction_range = models.FloatField(default=30.0, help_text="Distance within which agents are near.")
    regeneration = models.JSONField(
        default=dict, blank=True, help_text="Units of each resource an environment tick brings."
    )
    spawning = models.BooleanField(default=True, help_text="Whether agents may be born here.")
    environment_interval = models.IntegerField(default=30, help_text="World ticks between environment ticks.")
    # What lives: changed by ticks.
    temperature = models.FloatField(default=20.0, help_text="°C")
    humidity = models.FloatField(default=0.5)
    light = models.FloatField(default=0.7)
    noise = models.FloatField(default=0.2)
    food = models.FloatField(default=60.0)
    materials = models.FloatField(default=60.0)
    energy = models.FloatField(default=60.0)
    knowledge = models.FloatField(default=60.0)
    entropy = models.FloatField(default=0.2)
    thermal = models.FloatField(default=0.0)
    diffusing = models.BooleanField(default=False, editable=False)
    agent_count = models.IntegerField(default=0)
    active_session_count = models.IntegerField(default=0)
    environment_due = models.BigIntegerField(default=30)
    due_tick = models.BigIntegerField(default=1, help_text="First world tick at which something is due here.")
    happenings = models.JSONField(default=list, blank=True, help_text="The latest that its people can have noticed.")

    class Meta:
        db_table = "pac_zones"
        ordering = ["world", "ordinal"]
        indexes = [
            models.Index(fields=["world", "due_tick"], name="pac_zones_due"),
            models.Index(fields=["assigned_server"], name="pac_zones_watched", condition=Q(active_session_count__gt=0)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["world", "name"], name="zone_name_unique"),
            models.UniqueConstraint(fields=["world", "ordinal"], name="zone_ordinal_unique"),
            models.CheckConstraint(condition=~Q(name=""), name="zone_name_given"),
            models.CheckConstraint(condition=Q(capacity__gte=0, capacity__lte=100_000), name="zone_capacity_range"),
            models.CheckConstraint(
                condition=Q(agent_count__gte=0) & Q(agent_count__lte=F("capacity")), name="zone_not_overfull"
            ),
            models.CheckConstraint(condition=Q(active_session_count__gte=0), name="zone_sessions_positive"),
            models.CheckConstraint(condition=_between(0, 15, "permissions"), name="zone_permission_bits"),
            models.CheckConstraint(condition=_between(0, 100, *RESOURCES), name="zone_resources_range"),
            models.CheckConstraint(
                condition=_between(0, 1, "humidity", "light", "noise", "entropy"), name="zone_shares_range"
            ),
            models.CheckConstraint(condition=_between(-1, 1, "thermal"), name="zone_thermal_range"),
            models.CheckConstraint(
                condition=Q(movement_cost__gte=0, interaction_range__gt=0, environment_interval__gte=1),
                name="zone_rules_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def resources(self) -> dict[str, float]:
        """Units of each resource, 0–100."""
        return {name: getattr(self, name) for name in RESOURCES}

    @property
    def properties(self) -> dict[str, float]:
        """The weather of the place."""
        return {name: getattr(self, name) for name in PROPERTIES}

    @property
    def rules(self) -> dict[str, object]:
        """What a world file sets."""
        names = ("movement_cost", "interaction_range", "regeneration", "spawning")
        return {name: getattr(self, name) for name in names}


class Neighbour(Stamped):
    """A way from one zone to another. Ways go both ways as two rows."""

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="ways")
    other = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="+")
    permeability = models.FloatField(default=1.0, help_text="0 shut, 1 open: how readily things pass.")

    class Meta:
        db_table = "zone_neighbours"
        constraints = [
            models.UniqueConstraint(fields=["zone", "other"], name="neighbour_unique"),
            models.CheckConstraint(condition=~Q(zone=F("other")), name="neighbour_not_itself"),
            models.CheckConstraint(condition=_between(0, 1, "permeability"), name="neighbour_permeability_range"),
        ]

    def __str__(self) -> str:
        return f"{self.zone} → {self.other}"


class Crossing(models.Model):
    """An agent on its way: it left at one world tick and arrives, or is turned back, when the clock goes on."""

    agent_id = models.UUIDField(primary_key=True)
    agent_ordinal = models.IntegerField()
    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="+")
    origin = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="+")
    destination = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="+")
    leave_tick = models.BigIntegerField()

    class Meta:
        db_table = "zone_crossings"

    def __str__(self) -> str:
        return f"{self.agent_id} → {self.destination_id}"


class Notice(Stamped):
    """A short text that somebody pinned up in a zone for others to read."""

    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="notices")
    author = models.CharField(max_length=120)
    text = models.CharField(max_length=500)
    world_tick = models.BigIntegerField()

    class Meta:
        db_table = "zone_notices"
        ordering = ["-inserted_at"]
        indexes = [models.Index(fields=["zone", "-inserted_at"], name="zone_notices_newest")]

    def __str__(self) -> str:
        return self.text[:60]

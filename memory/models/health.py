"""What is kept of how memories serve: recalls by agent, and figures of agents and worlds that upkeep refreshes."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models

from memory.health.rates import Rates

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When figures were refreshed that never were."""


class MemoryRecall(models.Model):
    """How often an agent recalled something, and how often that was of use. Written by recalls and by nothing else."""

    agent = models.OneToOneField("agents.Agent", primary_key=True, on_delete=models.CASCADE, related_name="+")
    recalls = models.BigIntegerField(default=0)
    hits = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        db_table = "memory_recalls"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hits__gte=0) & models.Q(recalls__gte=models.F("hits")), name="memory_recalls_hits"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hits} of {self.recalls}"


class _Figures(Rates, models.Model):
    memories = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0, help_text="How often something was stored, equal texts too.")
    merged = models.BigIntegerField(default=0, help_text="Stores that went into a memory that was there.")
    near_duplicates = models.BigIntegerField(default=0, help_text="Memories that all but repeat an earlier one.")
    junk = models.BigIntegerField(default=0, help_text="Never recalled, unimportant, and of little feeling.")
    recalls = models.BigIntegerField(default=0)
    hits = models.BigIntegerField(default=0, help_text="Recalls that brought something of use.")
    refreshed_at = models.DateTimeField(default=NEVER)

    class Meta:
        abstract = True


class MemoryHealth(_Figures):
    """The figures of one agent."""

    agent = models.OneToOneField("agents.Agent", primary_key=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "memory_health"
        verbose_name_plural = "memory health"
        indexes = [models.Index(fields=["refreshed_at"], name="memory_health_due")]

    def __str__(self) -> str:
        return f"memory of {self.agent_id}"


class WorldMemoryHealth(_Figures):
    """The sums of one world's agents, as of the oldest of them."""

    world = models.OneToOneField("zones.World", primary_key=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "memory_health_worlds"

    def __str__(self) -> str:
        return f"memory in {self.world_id}"

from __future__ import annotations

from django.db import models
from django.db.models import Q


class WorldPulse(models.Model):
    """How the agents of a world did at a heartbeat. Kept for a day."""

    world = models.ForeignKey("zones.World", on_delete=models.CASCADE, related_name="pulses")
    at = models.DateTimeField()
    world_tick = models.BigIntegerField()
    agents = models.IntegerField(help_text="Active ones.")
    ticks = models.BigIntegerField(help_text="Ticks that all agents have done since they were born.")
    took_ms = models.FloatField(null=True, help_text="From due to done, of the latest tick that was timed.")
    mood = models.FloatField(help_text="Mean of the active ones, −1 to 1.")
    energy = models.FloatField(help_text="Mean of the active ones, 0–100.")

    class Meta:
        db_table = "world_pulses"
        verbose_name = "pulse of a world"
        verbose_name_plural = "pulses of worlds"
        ordering = ["-at"]
        indexes = [models.Index(fields=["world", "at"], name="world_pulses_in_order")]
        constraints = [
            models.CheckConstraint(
                condition=Q(agents__gte=0, ticks__gte=0, mood__gte=-1, mood__lte=1, energy__gte=0, energy__lte=100),
                name="world_pulse_figures_range",
            )
        ]

    def __str__(self) -> str:
        return f"{self.world} at {self.at:%H:%M:%S}"

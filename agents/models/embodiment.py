"""Who of the agents is lived by a client of ours, and until when."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Embodiment(models.Model):
    """A lease on one agent: while it lasts, its client decides and nobody else. Written by `actions.embodiment` only.

    The agent's own kind of reasoner stands here meanwhile; on its row stands `reasoners.EMBODIED`.
    """

    agent = models.OneToOneField("agents.Agent", primary_key=True, on_delete=models.CASCADE, related_name="embodiment")
    lease = models.UUIDField(help_text="What the client shows with each call.")
    holder_id = models.UUIDField(help_text="The user whose client it is.")
    reasoner = models.CharField(max_length=50, help_text="The kind that decides again afterwards.")
    lease_s = models.FloatField(help_text="Seconds that each call prolongs it by.")
    entered_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "agent_embodiments"
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("entered_at")), name="embodiment_has_a_life"),
            models.CheckConstraint(condition=Q(lease_s__gt=0), name="embodiment_lease_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} until {self.expires_at}"

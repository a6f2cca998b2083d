"""How far the vault's upkeep has come. No foreign keys to agents, and no locks on them: who is gone is found out."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AgentUpkeep(models.Model):
    """When an agent's memories were looked after, and when they are again."""

    agent_id = models.UUIDField(primary_key=True)
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, help_text="A process looks after it until then.")
    looked_after_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True, help_text="When episodes and salience were looked at.")
    over_budget = models.IntegerField(default=0, help_text="Memories above the budget that others depend on.")

    class Meta:
        db_table = "memory_upkeep"
        verbose_name_plural = "agents' upkeep"
        indexes = [models.Index(fields=["due_at", "agent_id"], name="memory_upkeep_due")]
        constraints = [models.CheckConstraint(condition=Q(over_budget__gte=0), name="memory_over_budget_positive")]

    def __str__(self) -> str:
        return f"{self.agent_id}, due {self.due_at:%Y-%m-%d %H:%M:%S}"


class MemoryForm(models.Model):
    """What near-equal memories of an agent have in common; null: not compared with others yet."""

    # The constraint is made by hand, with ON DELETE CASCADE.
    memory = models.OneToOneField(
        "memory.MemoryNode", primary_key=True, on_delete=models.CASCADE, related_name="form", db_constraint=False
    )
    agent_id = models.UUIDField()
    form = models.BinaryField(max_length=16, null=True, editable=False)

    class Meta:
        db_table = "memory_forms"
        indexes = [
            models.Index(fields=["agent_id", "form"], name="memory_forms_equal", condition=Q(form__isnull=False)),
            models.Index(fields=["agent_id", "memory"], name="memory_forms_waiting", condition=Q(form=None)),
        ]

    def __str__(self) -> str:
        return str(self.memory_id)

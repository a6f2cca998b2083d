"""Facts that agents hold, with the time in which they held."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from domains.timestamps import Stamped


class MemoryFact(Stamped):
    """Subject, relation and value, as they held from `valid_from` until before `valid_to`; None: until now.

    Of one subject and relation one fact holds at a time. `…_key` is the form in which they are compared.
    """

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="+", db_index=False)
    subject = models.CharField(max_length=200)
    subject_key = models.CharField(max_length=600, editable=False)
    relation = models.CharField(max_length=100)
    relation_key = models.CharField(max_length=300, editable=False)
    value = models.CharField(max_length=2000)
    # The constraint is made by hand, with ON DELETE SET NULL.
    memory = models.ForeignKey(
        "memory.MemoryNode", null=True, blank=True, on_delete=models.SET_NULL, related_name="facts",
        db_constraint=False, help_text="Where the agent has it from.",
    )  # fmt: skip
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "memory_facts"
        indexes = [
            models.Index(fields=["agent", "subject_key", "relation_key", "valid_from"], name="memory_facts_in_time")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "subject_key", "relation_key"], condition=Q(valid_to=None), name="memory_fact_one_open"
            ),
            # From and to are equal for what another fact replaced at the very instant from which it held: never.
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")), name="memory_fact_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=~Q(subject_key="") & ~Q(relation_key="") & ~Q(value=""), name="memory_fact_given"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.relation} {self.value}"

"""Ties between memories."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from domains.timestamps import Stamped
from memory.models.nodes import MemoryNode


class MemoryEdge(Stamped):
    """A directed tie between two memories of one agent."""

    class Relation(models.TextChoices):
        """How one memory relates to another."""

        CAUSAL = "causal", "causal"
        TEMPORAL = "temporal", "temporal"
        SPATIAL = "spatial", "spatial"
        CONCEPTUAL = "conceptual", "conceptual"
        EMOTIONAL = "emotional", "emotional"
        ASSOCIATIVE = "associative", "associative"
        HIERARCHICAL = "hierarchical", "hierarchical"
        CONTRADICTS = "contradicts", "contradicts"

    source = models.ForeignKey(MemoryNode, on_delete=models.CASCADE, related_name="edges_out")
    target = models.ForeignKey(MemoryNode, on_delete=models.CASCADE, related_name="edges_in")
    relation = models.CharField(max_length=12, choices=Relation)
    strength = models.FloatField(default=0.5)

    class Meta:
        db_table = "memory_edges"
        # What evidence and the parts of summaries are found by. Few edges are such.
        indexes = [
            models.Index(
                fields=["target", "relation"],
                name="memory_edges_leaning",
                condition=Q(relation__in=["causal", "hierarchical"]),
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "target", "relation"], name="memory_edge_unique"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="memory_edge_not_itself"),
            models.CheckConstraint(condition=Q(strength__gte=0, strength__lte=1), name="memory_edge_strength_range"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.relation} {self.target_id}"

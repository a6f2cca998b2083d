"""Memories and the edges between them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from pgvector.django import HalfVectorField

from domains.timestamps import Stamped

DIMENSIONS = 256


class MemoryNode(Stamped):
    """One thing that an agent remembers."""

    class Kind(models.TextChoices):
        """What sort of memory it is."""

        EPISODIC = "episodic", "episodic"  # something that happened
        SEMANTIC = "semantic", "semantic"  # something known
        PROCEDURAL = "procedural", "procedural"  # how something is done
        EMOTIONAL = "emotional", "emotional"  # how something felt

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="memories")
    content = models.CharField(max_length=10_000)
    summary = models.CharField(max_length=500, blank=True, default="")
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.EPISODIC)
    importance = models.FloatField(default=0.5)
    valence = models.FloatField(default=0.0)
    tags = models.JSONField(default=list, blank=True)
    source = models.JSONField(default=dict, blank=True, help_text="The tick or event ids it came from.")
    access_count = models.IntegerField(default=0)
    last_accessed_at = models.DateTimeField(null=True, blank=True)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "memory_nodes"
        ordering = ["-id"]
        # With the key, the newest memories of an agent are read in order from the index.
        indexes = [models.Index(fields=["agent", "-id"], name="memory_nodes_agent_newest")]
        constraints = [
            models.CheckConstraint(condition=~Q(content=""), name="memory_content_given"),
            models.CheckConstraint(condition=Q(importance__gte=0, importance__lte=1), name="memory_importance_range"),
            models.CheckConstraint(condition=Q(valence__gte=-1, valence__lte=1), name="memory_valence_range"),
            models.CheckConstraint(
                condition=Q(kind__in=["episodic", "semantic", "procedural", "emotional"]),
                name="memory_kind_known",
            ),
            models.CheckConstraint(condition=Q(access_count__gte=0), name="memory_access_count_positive"),
        ]

    def __str__(self) -> str:
        return self.content[:80]


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
        constraints = [
            models.UniqueConstraint(fields=["source", "target", "relation"], name="memory_edge_unique"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="memory_edge_not_itself"),
            models.CheckConstraint(condition=Q(strength__gte=0, strength__lte=1), name="memory_edge_strength_range"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.relation} {self.target_id}"

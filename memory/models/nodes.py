"""What agents remember."""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils import timezone
from pgvector.django import HalfVectorField

from domains.timestamps import Stamped

WAITING = ""
"""Name of the embedder of a memory that is to be embedded."""
REFUSED = "refused:"
"""Before the name of the embedder that would not have a text: it is left alone until another one is asked."""

NO_WORDS = b"\0\0\0\0"
"""Signature of a text without words."""


class MemoryNode(Stamped):
    """One thing that an agent remembers."""

    class Kind(models.TextChoices):
        """What sort of memory it is."""

        EPISODIC = "episodic", "episodic"  # something that happened
        SEMANTIC = "semantic", "semantic"  # something known
        PROCEDURAL = "procedural", "procedural"  # how something is done
        EMOTIONAL = "emotional", "emotional"  # how something felt

    # The indexes below begin with the agent; one more of its own would only cost.
    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="memories", db_index=False)
    content = models.CharField(max_length=10_000)
    summary = models.CharField(max_length=500, blank=True, default="")
    content_hash = models.BinaryField(
        max_length=16,
        null=True,
        editable=False,
        help_text="Of the normalised text: equal ones merge. Null: an older double, which upkeep will merge.",
    )
    signature = models.BinaryField(
        default=NO_WORDS,
        db_default=Value(NO_WORDS),
        editable=False,
        help_text="The words of the text and what is noted about it, for ranking.",
    )
    embedding = HalfVectorField(null=True, help_text="Of as many dimensions as its embedder has.")
    embedder = models.CharField(
        max_length=160,
        blank=True,
        default=WAITING,
        db_default=WAITING,
        help_text="The model and dimensions of the vector; vectors of different ones are never compared. "
        "Empty: to be embedded.",
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.EPISODIC)
    importance = models.FloatField(default=0.5)
    valence = models.FloatField(default=0.0)
    tags = models.JSONField(default=list, blank=True)
    source = models.JSONField(default=dict, blank=True, help_text="The tick or event ids it came from first.")
    sources = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), blank=True, help_text="Later ones, newest last."
    )
    seen_count = models.IntegerField(default=1, db_default=1, help_text="How often it was stored.")
    last_seen_at = models.DateTimeField(default=timezone.now, db_default=Now())
    access_count = models.IntegerField(default=0)
    last_accessed_at = models.DateTimeField(null=True, blank=True)
    valid_from = models.DateTimeField(null=True, blank=True, help_text="Null: since it was stored.")
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "memory_nodes"
        ordering = ["-id"]
        # With the key, the newest memories of an agent are read in order from the index.
        indexes = [
            models.Index(fields=["agent", "-id"], name="memory_nodes_agent_newest"),
            models.Index(fields=["id"], name="memory_nodes_waiting", condition=Q(embedder=WAITING)),
        ]
        constraints = [
            # One row a text and end of validity: what was closed and is so again is another memory.
            models.UniqueConstraint(
                fields=["agent", "content_hash", "valid_to"],
                name="memory_content_unique",
                condition=Q(content_hash__isnull=False),
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(seen_count__gte=1), name="memory_seen_count_positive"),
            models.CheckConstraint(
                condition=Q(embedder=WAITING) | Q(embedding__isnull=False) | Q(embedder__startswith=REFUSED),
                name="memory_embedder_of_vector",
            ),
            models.CheckConstraint(condition=~Q(content=""), name="memory_content_given"),
            models.CheckConstraint(condition=Q(importance__gte=0, importance__lte=1), name="memory_importance_range"),
            models.CheckConstraint(condition=Q(valence__gte=-1, valence__lte=1), name="memory_valence_range"),
            models.CheckConstraint(
                condition=Q(kind__in=["episodic", "semantic", "procedural", "emotional"]),
                name="memory_kind_known",
            ),
            models.CheckConstraint(condition=Q(access_count__gte=0), name="memory_access_count_positive"),
        ]

    @property
    def all_sources(self) -> list[dict[str, object]]:
        """What it came from, the first first."""
        return [source for source in (self.source, *self.sources) if source]

    def __str__(self) -> str:
        return self.content[:80]

"""Who and what agents remember, and which memories name it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.timestamps import Stamped
from memory.graph.names import LONGEST_KEY, LONGEST_NAME


class MemoryEntity(Stamped):
    """A person, place or thing that is named in an agent's memories. Each agent has entities of its own."""

    class Kind(models.TextChoices):
        """What sort of entity it is, as far as is known."""

        PERSON = "person", "person"
        PLACE = "place", "place"
        THING = "thing", "thing"

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME, help_text="As it was first written.")
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.THING)

    class Meta:
        db_table = "memory_entities"
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="memory_entity_name_given"),
            models.CheckConstraint(condition=Q(kind__in=["person", "place", "thing"]), name="memory_entity_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class MemoryEntityAlias(models.Model):
    """A name of an entity, in the form in which names are compared (`names.key`). One name of an agent means one."""

    pk = models.CompositePrimaryKey("agent", "alias")
    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="+", db_index=False)
    # Sorted by code points, so that what begins with a name is found in the index.
    alias = models.CharField(max_length=LONGEST_KEY, db_collation="C")
    # The constraint is made by hand, with ON DELETE CASCADE: whoever removes rows by SQL need not know of this table.
    entity = models.ForeignKey(MemoryEntity, on_delete=models.CASCADE, related_name="aliases", db_constraint=False)

    class Meta:
        db_table = "memory_entity_aliases"

    def __str__(self) -> str:
        return self.alias


class MemoryMention(models.Model):
    """That a memory names an entity."""

    pk = models.CompositePrimaryKey("entity", "memory")
    # Constraints as above.
    entity = models.ForeignKey(
        MemoryEntity, on_delete=models.CASCADE, related_name="mentions", db_constraint=False, db_index=False
    )
    memory = models.ForeignKey(
        "memory.MemoryNode", on_delete=models.CASCADE, related_name="mentions", db_constraint=False
    )

    class Meta:
        db_table = "memory_mentions"

    def __str__(self) -> str:
        return f"{self.memory_id} names {self.entity_id}"


class UnlinkedMemory(models.Model):
    """A memory that the graph has not taken in yet. A trigger of `memory_nodes` writes it; no foreign key, no lock."""

    memory_id = models.UUIDField(primary_key=True)

    class Meta:
        db_table = "memory_unlinked"

    def __str__(self) -> str:
        return str(self.memory_id)

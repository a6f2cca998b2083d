"""Memories and the edges between them."""

from memory.models.edges import MemoryEdge
from memory.models.entities import MemoryEntity, MemoryEntityAlias, MemoryMention, UnlinkedMemory
from memory.models.facts import MemoryFact
from memory.models.health import MemoryHealth, MemoryRecall, WorldMemoryHealth
from memory.models.nodes import NO_WORDS, REFUSED, WAITING, MemoryNode
from memory.models.upkeep import AgentUpkeep, MemoryForm

__all__ = [
    "NO_WORDS",
    "REFUSED",
    "WAITING",
    "AgentUpkeep",
    "MemoryEdge",
    "MemoryEntity",
    "MemoryEntityAlias",
    "MemoryFact",
    "MemoryForm",
    "MemoryHealth",
    "MemoryMention",
    "MemoryNode",
    "MemoryRecall",
    "UnlinkedMemory",
    "WorldMemoryHealth",
]

"""What agents remember, and how the vault does, in the admin. All of it is only shown."""

from memory.admin.health import MemoryHealthAdmin, MemoryRecallAdmin, WorldMemoryHealthAdmin, told
from memory.admin.memories import MemoryEdgeAdmin, MemoryEntityAdmin, MemoryFactAdmin, MemoryNodeAdmin
from memory.admin.upkeep import AgentUpkeepAdmin, MemoryFormAdmin, UnlinkedMemoryAdmin

__all__ = [
    "AgentUpkeepAdmin",
    "MemoryEdgeAdmin",
    "MemoryEntityAdmin",
    "MemoryFactAdmin",
    "MemoryFormAdmin",
    "MemoryHealthAdmin",
    "MemoryNodeAdmin",
    "MemoryRecallAdmin",
    "UnlinkedMemoryAdmin",
    "WorldMemoryHealthAdmin",
    "told",
]

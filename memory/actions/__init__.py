"""What changes memories: storing, recalling, forgetting, embedding what waits, changing the embedder."""

from memory.actions.forgetting import close, forget, forget_world
from memory.actions.recalling import Recall, recalled
from memory.actions.storing import (
    MIN_IMPORTANCE,
    MIN_VALENCE,
    NewMemory,
    store,
    store_many,
    worth_keeping,
)
from memory.actions.upkeep import Progress, embed_waiting, reembed
from memory.errors import InvalidMemory, NoSuchMemory, VaultError
from memory.graph.insights import Grounds, ground

__all__ = [
    "MIN_IMPORTANCE",
    "MIN_VALENCE",
    "Grounds",
    "InvalidMemory",
    "NewMemory",
    "NoSuchMemory",
    "Progress",
    "Recall",
    "VaultError",
    "close",
    "embed_waiting",
    "forget",
    "forget_world",
    "ground",
    "recalled",
    "reembed",
    "store",
    "store_many",
    "worth_keeping",
]

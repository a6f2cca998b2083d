"""Storing memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from domains.ids import new_id
from memory import metrics, vectors
from memory.embedders import embedder
from memory.models import MemoryNode

MIN_IMPORTANCE = 0.3
MIN_VALENCE = 0.4

_COLUMNS = {
    "id": "uuid", "agent_id": "uuid", "content": "text", "summary": "text", "embedding": "halfvec", "kind": "text",
    "importance": "float8", "valence": "float8", "tags": "jsonb", "source": "jsonb", "access_count": "int4",
    "inserted_at": "timestamptz", "updated_at": "timestamptz",
}  # fmt: skip


class VaultError(Exception):
    """Base of the refusals of this app."""

    code = "memory_error"


class InvalidMemory(VaultError):
    """The content or a figure is out of range."""

    code = "invalid_memory"


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A memory to be stored. `source` names the tick or events it came from."""

    agent_id: UUID
    content: str
    kind: str = "episodic"
    importance: float = 0.5
    valence: float = 0.0
    summary: str = ""
    tags: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)


def worth_keeping(importance: float, valence: float) -> bool:
    """The formation rule: importance ≥ 0.3 or |valence| ≥ 0.4."""
    return importance >= MIN_IMPORTANCE or abs(valence) >= MIN_VALENCE


def store(memory: NewMemory) -> UUID:
    """Store one memory. Needs an open transaction. Raises: InvalidMemory."""
    return store_many([memory])[0]


def store_many(memories: Sequence[NewMemory]) -> list[UUID]:
    """Embed and store memories by one COPY. Returns their ids in order. Needs an open transaction.

    Raises: InvalidMemory; nothing is stored then.
    """
    sql.require_transaction("storing memories")
    if not memories:
        return []
    for memory in memories:
        _check(memory)
    embedded = vectors.halves(embedder().embed([memory.content for memory in memories]))
    vectors.register()
    now = timezone.now()
    rows = (
        (m.id, m.agent_id, m.content, m.summary, HalfVector(vector), m.kind, m.importance, m.valence,
         list(m.tags), m.source, 0, now, now)
        for m, vector in zip(memories, embedded, strict=True)
    )  # fmt: skip
    sql.copy("memory_nodes", _COLUMNS, rows)
    metrics.stores.inc(len(memories))
    return [memory.id for memory in memories]


def _check(memory: NewMemory) -> None:
    if not 1 <= len(memory.content) <= 10_000:
        raise InvalidMemory("content: 1 to 10,000 characters")
    if not _storable(memory.content + memory.summary):
        raise InvalidMemory("content and summary: no NUL characters and no lone surrogates")
    if len(memory.summary) > 500:
        raise InvalidMemory("summary: at most 500 characters")
    if not (0 <= memory.importance <= 1 and -1 <= memory.valence <= 1):
        raise InvalidMemory("importance is 0 to 1 and valence -1 to 1")
    if memory.kind not in MemoryNode.Kind.values:
        raise InvalidMemory(f"kind: one of {', '.join(MemoryNode.Kind.values)}")


def _storable(text: str) -> bool:
    """Whether PostgreSQL can hold it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False

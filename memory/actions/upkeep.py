"""Vectors for memories that have none, or those of another embedder. Talks to the embedder outside of transactions.

Rows are taken with SKIP LOCKED and written a batch at a time: this waits for nobody, and whoever stores into one of
them waits for a batch at most. Killed at any moment, it goes on where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from pgvector import HalfVector

from domains import sql
from domains.thunderflow.faults import PERMANENT, VALIDATION
from memory import metrics, vectors
from memory.embedders import Embedder, EmbeddingFailed, embedder
from memory.models import REFUSED, WAITING

logger = logging.getLogger(__name__)

BATCH = 256
LOCK_KEY = 0x7468_6D65
"""Of the advisory lock that lets one process at a time embed what waits: two would pay for the same."""
FIRST = UUID(int=0)

NEXT_WAITING = f"SELECT id, content FROM memory_nodes WHERE embedder = '{WAITING}' AND id > %s ORDER BY id LIMIT %s"
NEXT_OTHER = "SELECT id, content FROM memory_nodes WHERE embedder <> ALL(%s) AND id > %s ORDER BY id LIMIT %s"
COUNT_OTHER = "SELECT count(*) FROM memory_nodes WHERE embedder <> ALL(%s)"

# A text never changes, so a vector fits its row whenever it comes.
WRITE = """
WITH free AS (SELECT id FROM memory_nodes WHERE id = ANY(%(ids)s::uuid[]) FOR NO KEY UPDATE SKIP LOCKED)
UPDATE memory_nodes m SET embedding = u.vector, embedder = %(name)s, updated_at = now()
FROM free, unnest(%(ids)s::uuid[], %(vectors)b::halfvec[]) AS u (id, vector) WHERE m.id = u.id AND free.id = u.id
"""
REFUSE = """
UPDATE memory_nodes SET embedding = NULL, embedder = %s, updated_at = now() WHERE id = (
    SELECT id FROM memory_nodes WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)
"""

PROBE = "Good morning."
"""What every embedder takes: to tell a text that it will not have from an embedder that takes nothing."""


@dataclass(slots=True)
class Progress:
    """How far it has come. `left` is what was there at the beginning and is not done yet."""

    embedder: str
    done: int = 0
    refused: int = 0
    left: int = 0


Tell = Callable[[Progress], None]


def embed_waiting(limit: int = 10_000, *, seconds: float = 5.0) -> int:
    """Embed memories that were stored without a vector, oldest first, for about so long. Returns how many.

    One process at a time; another one returns 0 at once. Stops at the first failure of the embedder, which is logged.
    """
    _outside()
    one, until, written, last = embedder(), time.monotonic() + seconds, 0, FIRST
    with _alone() as mine:
        while mine and written < limit and time.monotonic() < until:
            rows = sql.fetch_rows(NEXT_WAITING, [last, min(BATCH, limit - written)])
            if not rows:
                break
            try:
                done, _ = _embed(one, rows)
            except EmbeddingFailed as failure:
                metrics.embedding_failed.labels(failure.error_class).inc()
                logger.warning("memories wait to be embedded: %s", failure)
                break
            written, last = written + done, rows[-1][0]
    metrics.embedded.inc(written)
    return written


def reembed(*, batch: int = BATCH, tell: Tell = lambda progress: None) -> Progress:
    """Give every memory a vector of the embedder that is set, whatever it had. Call it again to go on.

    Searches go on meanwhile with those that have one. Raises: EmbeddingFailed; what is done stays done.
    """
    _outside()
    one = embedder()
    good = [one.key, _refused(one)]
    progress = Progress(one.key, left=sql.fetch_rows(COUNT_OTHER, [good])[0][0])
    tell(progress)
    while True:
        found = False
        last = FIRST
        while rows := sql.fetch_rows(NEXT_OTHER, [good, last, batch]):
            found, last = True, rows[-1][0]
            done, refused = _embed(one, rows)
            progress.done, progress.refused = progress.done + done, progress.refused + refused
            progress.left = max(0, progress.left - done - refused)
            tell(progress)
        if not found:
            return progress  # otherwise there may be some that were locked, or stored meanwhile
        time.sleep(0.05)


def waiting() -> bool:
    """Whether there are memories to be embedded. One short query."""
    return bool(sql.fetch_rows(NEXT_WAITING, [FIRST, 1]))


def _embed(one: Embedder, rows: Sequence[tuple[UUID, str]]) -> tuple[int, int]:
    """Give these their vectors. Returns how many got one, and how many were refused. Raises: EmbeddingFailed."""
    ids, texts = zip(*rows, strict=True)
    try:
        found = vectors.halves(one.embed(texts))
    except EmbeddingFailed as failure:
        if failure.error_class != VALIDATION:
            raise
        return _one_by_one(one, rows)
    return _write(one.key, ids, [HalfVector(vector) for vector in found]), 0


def _one_by_one(one: Embedder, rows: Sequence[tuple[UUID, str]]) -> tuple[int, int]:
    """A text among them is refused: the others shall not suffer for it."""
    done = refused = 0
    for node_id, text in rows:
        try:
            vector = HalfVector(vectors.halves(one.embed([text]))[0])
        except EmbeddingFailed as failure:
            if failure.error_class != VALIDATION:
                raise
            _probe(one, failure)
            refused += sql.execute(REFUSE, [_refused(one), node_id])
        else:
            done += _write(one.key, [node_id], [vector])
    return done, refused


def _probe(one: Embedder, failure: EmbeddingFailed) -> None:
    """Raises: EmbeddingFailed when it takes nothing at all."""
    try:
        one.embed([PROBE])
    except EmbeddingFailed as again:
        if again.error_class != VALIDATION:
            raise
        raise EmbeddingFailed(PERMANENT, str(failure)) from failure


def _write(name: str, ids: Sequence[UUID], found: list[HalfVector]) -> int:
    vectors.register()
    return sql.execute(WRITE, {"ids": list(ids), "vectors": found, "name": name})


def _refused(one: Embedder) -> str:
    return f"{REFUSED}{one.key}"


def _outside() -> None:
    """Raises: RuntimeError."""
    if connection.in_atomic_block and embedder().remote:
        raise transaction.TransactionManagementError("a remote embedder is not asked within a transaction")


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else is at it, until the end of the block."""
    ((mine,),) = sql.fetch_rows("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
    try:
        yield mine
    finally:
        if mine:
            sql.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])

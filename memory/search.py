"""Finding what an agent remembers: all of it is read in one scan, and ranked by the pure functions of `memory.recall`.

Four statements, however many questions: signatures to tell rare words by, the scan, ties of the best, rows of what was
found. Nothing is written: whoever acts on what was found says so (`memory.actions`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.utils import timezone
from pgvector import HalfVector

from domains import sql
from memory import embedding, metrics, vectors
from memory.embedders import embedder
from memory.errors import InvalidQuestion
from memory.graph import queries as graph
from memory.models import MemoryNode
from memory.recall import meaning, question, ranking, signatures, terms
from memory.recall.bm25 import Group
from memory.recall.question import Question
from memory.recall.ranking import Scored
from memory.recall.signatures import Signatures

MOST_FOUND = 1000
LONGEST_QUESTION = 10_000
SAMPLED = 400
"""Memories, the newest, that tell how rare a word is for the vector of a question. BM25 counts all."""
SEEDS = 5
"""Best memories whose ties are followed."""

FIELDS = "id, content, kind, importance, valence, source, inserted_at"
HELD = "coalesce(valid_from, inserted_at) <= {at} AND (valid_to IS NULL OR valid_to > {at})"
_HELD = HELD.format(at="%(at)s")

# Walks the agent's index from its end until it has enough: the fences keep the planner from it, who expects of an agent
# with many memories as few as others have, from reading and sorting all.
SAMPLE = f"""
SELECT coalesce(s.signatures, '') FROM unnest(%(agents)b::uuid[]) WITH ORDINALITY AS q (agent_id, place), LATERAL (
    SELECT string_agg(signature, ''::bytea) AS signatures FROM (
        SELECT held.signature
        FROM (SELECT id FROM memory_nodes WHERE agent_id = q.agent_id ORDER BY id DESC OFFSET 0) newest,
             LATERAL (SELECT signature FROM memory_nodes WHERE id = newest.id AND {_HELD} OFFSET 0) held
        LIMIT {SAMPLED}) n
) s ORDER BY q.place
"""

# Everything about an agent's memories as a few long strings: rows of their own would cost three times as much. Those
# whose vector is another embedder's, or not there yet, are near to nothing. Not sorted: numpy does it quicker. The
# point is importance and similarity: one string less.
_SCAN = """
SELECT coalesce(s.ids, ''), coalesce(s.at, ''), coalesce(s.worth, ''), coalesce(s.signatures, ''),
       coalesce(s.allowed, '')
FROM unnest(%(agents)b::uuid[], %(vectors)b::halfvec[]) WITH ORDINALITY AS q (agent_id, vector, place), LATERAL (
    SELECT string_agg(uuid_send(id), ''::bytea) AS ids, string_agg(timestamptz_send(inserted_at), ''::bytea) AS at,
           string_agg(point_send(point(importance, CASE WHEN embedder = %(embedder)s THEN
               coalesce(nullif(-(embedding <#> q.vector), 'NaN'), 0) ELSE 0 END)), ''::bytea) AS worth,
           string_agg(signature, ''::bytea) AS signatures, {allowed} AS allowed
    FROM memory_nodes WHERE agent_id = q.agent_id AND {held}
) s ORDER BY q.place
"""
SCAN = _SCAN.format(held=_HELD, allowed="''::bytea")
_FITS = "(%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s)) AND (%(tags)s::jsonb IS NULL OR tags @> %(tags)s::jsonb)"
SCAN_SOME = _SCAN.format(
    held=_HELD, allowed=f"string_agg(CASE WHEN {_FITS} THEN '\\x01'::bytea ELSE '\\x00' END, ''::bytea)"
)
ROWS = f"SELECT {FIELDS} FROM memory_nodes WHERE id = ANY(%b::uuid[])"


@dataclass(frozen=True, slots=True)
class Found:
    """A memory that was found. `score` is about 0 to 3; above 1, its words or those beside it answer the question.

    `parts`, where they were asked for, add up to the score, greatest effect first (`memory.recall.fuse.Weights`).
    """

    id: UUID
    content: str
    kind: str
    importance: float
    valence: float
    source: dict[str, object]
    inserted_at: datetime
    score: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which memories may be found: of one of these kinds, with all of these tags. Others count as neighbours still."""

    kinds: Collection[str] | None = None
    tags: Collection[str] | None = None

    def checked(self) -> dict[str, Any]:
        """As parameters. Raises: InvalidQuestion."""
        if unknown := set(self.kinds or ()).difference(MemoryNode.Kind.values):
            raise InvalidQuestion(f"kinds: {min(unknown)!r} is none of {', '.join(MemoryNode.Kind.values)}")
        return {
            "kinds": list(self.kinds) if self.kinds else None,
            "tags": sql.jsonb(list(self.tags)) if self.tags else None,
        }

    def __bool__(self) -> bool:
        return bool(self.kinds or self.tags)


NO_FILTERS = Filters()


def search(
    agent_id: UUID,
    text: str,
    *,
    limit: int = 10,
    kinds: Collection[str] | None = None,
    tags: Collection[str] | None = None,
    as_of: datetime | None = None,
    explain: bool = False,
) -> list[Found]:
    """What an agent remembers that answers `text` best, of what holds now or held `as_of`; best first.

    Looks at all of the agent's memories. Names, words like theirs and dates ("last week", seen from `as_of`) are
    understood. Raises: InvalidQuestion.
    """
    filters = Filters(kinds, tags)
    return search_many([(agent_id, text)], limit=limit, filters=filters, as_of=as_of, explain=explain)[0]


def search_many(
    questions: Sequence[tuple[UUID, str]],
    *,
    limit: int,
    filters: Filters = NO_FILTERS,
    as_of: datetime | None = None,
    explain: bool = False,
) -> list[list[Found]]:
    """For each (agent, text) the same, in their order. Raises: InvalidQuestion."""
    given = filters.checked()
    _check(questions, limit, as_of)
    if not questions:
        return []
    metrics.searches.inc(len(questions))
    now = as_of or timezone.now()
    asked = _asked(questions, now)
    looked = _scan(asked, now, given if filters else None)
    scored = _follow([_scored(one, mine, now) for one, mine in zip(asked, looked, strict=True)], looked)
    best = [one.best(limit, mine.allowed) for one, mine in zip(scored, looked, strict=True)]
    return _rows(looked, scored, best, explain=explain)


def _check(questions: Sequence[tuple[UUID, str]], limit: int, as_of: datetime | None) -> None:
    if not 1 <= limit <= MOST_FOUND:
        raise InvalidQuestion(f"limit: 1 to {MOST_FOUND:,}")
    if any(len(text) > LONGEST_QUESTION for _, text in questions):
        raise InvalidQuestion(f"a question has at most {LONGEST_QUESTION:,} characters")
    if as_of is not None and as_of.tzinfo is None:
        raise InvalidQuestion("as_of: an instant needs its time zone")


# --- What is asked -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Asked:
    agent_id: UUID
    question: Question
    text: str
    wanted: list[Group]
    """For each word what may stand for it."""
    vector: HalfVector | None = None
    """None where there is none to be had: then words must do."""


def _asked(questions: Sequence[tuple[UUID, str]], now: datetime) -> list[_Asked]:
    """Read the questions, and give each its vector."""
    parsed = [question.parse(text, now=now) for _, text in questions]
    asked = [
        _Asked(agent_id, one, text, [{terms.word_key(word): 1.0} for word in one.words])
        for (agent_id, text), one in zip(questions, parsed, strict=True)
    ]
    if embedder().lexicon:
        _direct_by_words(asked, now)
    elif found := embedding.of_questions([each.text for each in asked]):
        for each, half in zip(asked, found.halves, strict=True):
            each.vector = HalfVector(half)
    return asked


def _direct_by_words(asked: Sequence[_Asked], now: datetime) -> None:
    """With an embedder that adds up words: near words, and vectors in which rare words count more."""
    key = embedder().key
    try:
        known = [[_known(key, word) for word in each.question.words] for each in asked]
    except _NoVector:
        return
    for each, words, some in zip(asked, known, _samples(asked, now), strict=True):
        each.wanted = [word.stands_for for word in words]
        rarities = ranking.by_words(some, each.wanted).rarities
        if words:
            direction = meaning.direction(np.array([word.vector for word in words]), rarities)
            each.vector = HalfVector(direction.astype(np.float16))


class _Word(NamedTuple):
    vector: npt.NDArray[np.float32]
    stands_for: Group


class _NoVector(Exception):
    """The embedder gives none now."""


@lru_cache(maxsize=10_000)
def _known(_embedder: str, word: str) -> _Word:
    """What there is to know about a word: comparing it with a whole lexicon takes a quarter of a millisecond."""
    embedded = embedding.of_questions([word])
    if embedded is None:
        raise _NoVector
    halves = embedded.halves.astype(np.float32)
    return _Word(halves[0], ranking.groups([word], halves, embedder().lexicon)[0])


def _samples(asked: Sequence[_Asked], now: datetime) -> list[Signatures]:
    """Signatures of the newest memories of each agent that is asked."""
    params = {"agents": sql.Ids(each.agent_id for each in asked), "at": now}
    return [signatures.unpack(packed) for (packed,) in sql.fetch_rows(SAMPLE, params, binary=True)]


# --- What is there -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Looked:
    """An agent's memories, oldest first, of the same instant by id; arrays `[memories]`."""

    ids: bytes
    """Sixteen bytes each."""
    at: npt.NDArray[np.float64]
    """Seconds."""
    importance: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64]
    signatures: Signatures
    allowed: npt.NDArray[np.bool_] | None

    def id_at(self, place: int) -> UUID:
        """The id of one."""
        return UUID(bytes=self.ids[16 * place : 16 * place + 16])

    def place_of(self, memory_id: UUID) -> int | None:
        """Where one is; None when it is not among them. Quick enough for some dozens."""
        start = self.ids.find(memory_id.bytes)
        while start % 16 and start >= 0:
            start = self.ids.find(memory_id.bytes, start + 1)
        return start // 16 if start >= 0 else None


_EPOCH_S = 946_684_800
"""From 1970 to 2000, from where PostgreSQL counts."""


def _scan(asked: Sequence[_Asked], now: datetime, given: Mapping[str, Any] | None) -> list[_Looked]:
    vectors.register()
    params: dict[str, Any] = {
        "agents": sql.Ids(each.agent_id for each in asked), "vectors": [each.vector for each in asked],
        "embedder": embedder().key, "at": now, **(given or {}),
    }  # fmt: skip
    rows = sql.fetch_rows(SCAN_SOME if given else SCAN, params, binary=True)
    return [_looked(*row) for row in rows]


def _looked(ids: bytes, at: bytes, worth: bytes, packed: bytes, allowed: bytes) -> _Looked:
    when = np.frombuffer(at, ">i8").astype(np.int64)
    numbers = np.frombuffer(ids, ">u8").reshape(-1, 2)
    order = np.lexsort((numbers[:, 1], numbers[:, 0], when))
    importance, similarity = np.frombuffer(worth, ">f8").reshape(-1, 2)[order].T.astype(np.float64, order="C")
    return _Looked(
        ids=np.frombuffer(ids, "V16")[order].tobytes(),
        at=when[order] / 1e6 + _EPOCH_S,
        importance=importance,
        similarity=similarity,
        signatures=signatures.unpack(packed, order),
        allowed=np.frombuffer(allowed, np.bool_)[order] if allowed else None,
    )


# --- What it is worth ----------------------------------------------------------------------------------------


def _scored(one: _Asked, mine: _Looked, now: datetime) -> Scored:
    return ranking.score(
        one.question, mine.signatures, ranking.by_words(mine.signatures, one.wanted),
        similarity=mine.similarity, at=mine.at, now_s=now.timestamp(), others={"importance": mine.importance},
    )  # fmt: skip


def _follow(scored: Sequence[Scored], looked: Sequence[_Looked]) -> list[Scored]:
    """With what the ties of the best add: as much as the tie is strong and the memory that it comes from is good."""
    seeds = [
        {mine.id_at(place): one.scores[place] for place in one.best(SEEDS) if one.scores[place] > 0}
        for one, mine in zip(scored, looked, strict=True)
    ]
    found = []
    for one, mine, ties in zip(scored, looked, graph.activated(seeds), strict=True):
        part = np.zeros(len(mine.at))
        for memory_id, strength in ties.items():
            place = mine.place_of(memory_id)
            if place is not None:
                part[place] = strength
        found.append(one.with_part("graph", part))
    return found


def _rows(
    looked: Sequence[_Looked], scored: Sequence[Scored], best: Sequence[Sequence[int]], *, explain: bool
) -> list[list[Found]]:
    """What was found, without what was removed a moment ago."""
    ids = {mine.id_at(place) for mine, places in zip(looked, best, strict=True) for place in places}
    rows = {row[0]: row for row in sql.fetch_rows(ROWS, [sql.Ids(ids)])} if ids else {}
    return [
        [
            Found(*(*row, float(one.scores[place]), one.explain(place) if explain else {}))
            for place in places
            if (row := rows.get(mine.id_at(place)))
        ]
        for mine, one, places in zip(looked, scored, best, strict=True)
    ]

"""Facts: subject, relation and value, given by a caller or a model. The newer closes the older's validity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from domains import sql
from domains.ids import new_id
from memory.graph import actions, locks, timeline
from memory.graph.actions import NewEdge
from memory.graph.errors import InvalidFact
from memory.graph.names import fold
from memory.graph.timeline import Contradiction, Span

LONGEST_SUBJECT, LONGEST_RELATION, LONGEST_VALUE = 200, 100, 2000
MOST_FACTS = 1_000
"""That one question is answered with."""

_Key = tuple[UUID, str, str]

OF_MEMORIES = """
SELECT id, agent_id FROM memory_nodes WHERE id = ANY(%b::uuid[])
ORDER BY agent_id, content_hash, valid_to FOR KEY SHARE
"""
READ = """
SELECT f.id, f.agent_id, f.subject_key, f.relation_key, f.value, f.valid_from, f.valid_to, f.memory_id
FROM unnest(%b::uuid[], %b::text[], %b::text[]) AS u (agent_id, subject_key, relation_key)
JOIN memory_facts f USING (agent_id, subject_key, relation_key)
ORDER BY f.valid_from, f.valid_to NULLS LAST, f.id
"""
CLOSE = """
UPDATE memory_facts f SET valid_to = u.valid_to, updated_at = now()
FROM unnest(%b::uuid[], %b::timestamptz[]) AS u (id, valid_to) WHERE f.id = u.id
"""
WRITE = """
INSERT INTO memory_facts (id, agent_id, subject, subject_key, relation, relation_key, value, memory_id,
                          valid_from, valid_to)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[],
                     %b::timestamptz[], %b::timestamptz[])
"""
FACTS = """
SELECT id, subject, relation, value, memory_id, valid_from, valid_to FROM memory_facts
WHERE agent_id = %(agent_id)s
  AND (%(subject)s::text IS NULL OR subject_key = %(subject)s)
  AND (%(relation)s::text IS NULL OR relation_key = %(relation)s)
  AND (%(always)s OR (valid_from <= %(as_of)s::timestamptz AND (valid_to IS NULL OR valid_to > %(as_of)s)))
ORDER BY subject_key, relation_key, valid_from, valid_to NULLS LAST, id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact to be learned. `memory_id` is where it is from; without `valid_from` it holds from now on."""

    agent_id: UUID
    subject: str
    relation: str
    value: str
    memory_id: UUID | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact and the time in which it holds: from `valid_from` until before `valid_to`; None: for all that is known."""

    id: UUID
    subject: str
    relation: str
    value: str
    memory_id: UUID | None
    valid_from: datetime
    valid_to: datetime | None


def learn(facts: Sequence[NewFact], *, now: datetime) -> list[UUID]:
    """Write facts down, in this order. Returns their ids; of one that was known, the id that it has already.

    A fact ends another one of the same subject and relation that holds when it begins; where both have a memory, an
    edge `contradicts` goes from the newer's to the older's. Needs an open transaction and locks the agents' graphs; at
    most nine statements. Raises: InvalidFact; nothing is written then.
    """
    sql.require_transaction("learning facts")
    if not facts:
        return []
    for fact in facts:
        _check(fact, now)
    locks.hold(fact.agent_id for fact in facts)
    _check_memories(facts)
    spans = _read({_key(fact) for fact in facts})
    told, fresh, ended = [], [], []
    for fact in facts:
        given = Span(new_id(), fact.value, fact.valid_from or now, fact.valid_to, fact.memory_id)
        said, contradiction = timeline.add(spans[_key(fact)], given)
        told.append(said.id)
        if said is given:
            fresh.append((fact, given))
        if contradiction is not None:
            ended.append(contradiction)
    _write(spans, fresh)
    _contradict(ended)
    return told


def facts(
    agent_id: UUID, subject: str | None = None, relation: str | None = None, as_of: datetime | None = None,
    *, limit: int = MOST_FACTS,
) -> list[Fact]:  # fmt: skip
    """What an agent holds to be so at `as_of`, by default now, by subject and relation, whose case does not matter.

    One query; the first `limit`, of `MOST_FACTS` at most.
    """
    return _facts(agent_id, subject, relation, as_of or timezone.now(), limit)


def history(agent_id: UUID, subject: str | None = None, relation: str | None = None) -> list[Fact]:
    """All that an agent ever held to be so, oldest first within each subject and relation. One query."""
    return _facts(agent_id, subject, relation, None)


def _facts(
    agent_id: UUID, subject: str | None, relation: str | None, at: datetime | None, limit: int = MOST_FACTS
) -> list[Fact]:
    params = {
        "agent_id": agent_id, "subject": None if subject is None else fold(subject),
        "limit": min(max(limit, 0), MOST_FACTS),
        "relation": None if relation is None else fold(relation), "always": at is None, "as_of": at,
    }  # fmt: skip
    return [Fact(*row) for row in sql.fetch_rows(FACTS, params)]


def _key(fact: NewFact) -> _Key:
    return fact.agent_id, fold(fact.subject), fold(fact.relation)


def _read(keys: set[_Key]) -> dict[_Key, list[Span]]:
    spans: dict[_Key, list[Span]] = {key: [] for key in keys}
    agents, subjects, relations = zip(*keys, strict=True)
    for row in sql.fetch_rows(READ, [sql.Ids(agents), list(subjects), list(relations)]):
        fact_id, agent_id, subject, relation, value, valid_from, valid_to, memory_id = row
        spans[agent_id, subject, relation].append(Span(fact_id, value, valid_from, valid_to, memory_id))
    return spans


def _write(spans: Mapping[_Key, Sequence[Span]], fresh: Sequence[tuple[NewFact, Span]]) -> None:
    """Ends first: at no moment are two facts open."""
    closed = [(one.id, one.valid_to) for of in spans.values() for one in of if one.changed and not one.fresh]
    if closed:
        ids, ends = zip(*closed, strict=True)
        sql.execute(CLOSE, [sql.Ids(ids), list(ends)])
    if fresh:
        rows = [
            (s.id, f.agent_id, f.subject.strip(), fold(f.subject), f.relation.strip(), fold(f.relation), f.value,
             f.memory_id, s.valid_from, s.valid_to)
            for f, s in fresh
        ]  # fmt: skip
        sql.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])


def _contradict(ended: Sequence[Contradiction]) -> None:
    pairs = [(one.newer.memory_id, one.older.memory_id) for one in ended if one.newer.value != one.older.value]
    edges = [
        NewEdge(newer, older, "contradicts", 1.0)
        for newer, older in pairs
        if newer is not None and older is not None and newer != older
    ]
    actions.link(edges)


def _check(fact: NewFact, now: datetime) -> None:
    """Raises: InvalidFact."""
    for what, text, longest in (
        ("subject", fact.subject, LONGEST_SUBJECT),
        ("relation", fact.relation, LONGEST_RELATION),
        ("value", fact.value, LONGEST_VALUE),
    ):
        if not 1 <= len(text) <= longest or not fold(text) or len(fold(text)) > 3 * longest:
            raise InvalidFact(f"{what}: 1 to {longest} characters, and not only white space")
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidFact(f"{what}: no NUL characters and no lone surrogates")
    starts = fact.valid_from or now
    if starts.tzinfo is None or (fact.valid_to is not None and fact.valid_to.tzinfo is None):
        raise InvalidFact("valid_from and valid_to: instants need their time zone")
    if fact.valid_to is not None and fact.valid_to <= starts:
        raise InvalidFact("valid_to: it must be after valid_from")


def _check_memories(facts: Sequence[NewFact]) -> None:
    """Hold the facts' memories until the transaction ends. Raises: InvalidFact."""
    ids = {fact.memory_id for fact in facts if fact.memory_id is not None}
    agents = dict(sql.fetch_rows(OF_MEMORIES, [sql.Ids(ids)])) if ids else {}
    for fact in facts:
        if fact.memory_id is not None and agents.get(fact.memory_id) != fact.agent_id:
            raise InvalidFact(f"memory: the agent has no memory {fact.memory_id}")

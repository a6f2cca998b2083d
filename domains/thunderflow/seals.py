"""Seals: what tells an altered log from one in which somebody was forgotten.

Once a minute the settled events since the last seal get one: a digest of each event, keyed with a key that is derived
from Django's and lies in no table, and a digest of them all in a chain from seal to seal. Whoever may write to the
database but has no key can alter events and cannot make the seals fit. A redaction writes down, keyed likewise, what
each row's digest was and is: a check puts the former digest in the row's place, and the seal fits as before.

What was written in the last minute has no seal yet. A seal goes with the partition that it covers, but for the last,
on which the chain goes on.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from domains import sql
from domains.redaction.holdings import Noted
from domains.thunderflow import partitions, queries

EVENTS = "events"
BLOCK = 5000
"""Events under one seal, at most."""
BUDGET_S = 2.0

# As text in a form that no setting of a session changes.
DIGEST = """sha256(convert_to(ROW(t.position, t.seq, extract(epoch FROM t.at), t.id, t.correlation_id, t.causation_id,
    t.event_version, t.priority, t.stream, t.topic, t.actor, t.node, t.payload)::text, 'UTF8'))"""

ALONE = "SELECT pg_try_advisory_xact_lock(1163284301, 5)"
LAST = "SELECT number, last, chain FROM event_seals ORDER BY number DESC LIMIT 1"
READ = f"""
SELECT t.position, {DIGEST} FROM events t WHERE t.position > %s AND t.position <= %s ORDER BY t.position LIMIT {BLOCK}
"""
WRITE = """
INSERT INTO event_seals (number, first, last, events, digest, chain, key_id, sealed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, now())
"""
# The last one that has gone stays: the chain goes on from it.
PRUNE = """
DELETE FROM event_seals WHERE last < %(oldest)s
    AND number < (SELECT max(number) FROM event_seals WHERE last < %(oldest)s)
"""
NOTE = """
INSERT INTO redacted_rows (redaction_id, log, key, was, now, proof, key_id)
SELECT %s, u.log, u.key, u.was, u.now, u.proof, %s
FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::bytea[]) AS u (log, key, was, now, proof)
"""

SEALS = """
SELECT number, first, last, events, digest, chain, key_id FROM event_seals WHERE number > %s ORDER BY number LIMIT 100
"""
# In one statement: a redaction that goes on meanwhile is seen as a whole or not at all.
SEALED = f"""
SELECT t.position, {DIGEST}, r.redaction_id, r.log, r.key, r.was, r.now, r.proof, r.key_id FROM events t
LEFT JOIN redacted_rows r ON r.log = 'events' AND r.key = t.position::text
WHERE t.position BETWEEN %s AND %s ORDER BY t.position, r.id
"""
GAPS = """
SELECT e.stream, count(*), min(e.seq), max(e.seq), s.seq FROM events e LEFT JOIN event_streams s ON s.name = e.stream
WHERE e.position <= %s GROUP BY e.stream, s.seq
HAVING count(*) <> max(e.seq) - min(e.seq) + 1 OR max(e.seq) > s.seq OR s.seq IS NULL ORDER BY e.stream LIMIT 100
"""


@lru_cache(maxsize=4)
def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"thunderline.log.seals").derive(secret.encode())


def _key() -> bytes:
    return _derived(settings.SECRET_KEY)


def _key_id() -> bytes:
    return hashlib.sha256(_key()).digest()[:8]


def keyed(*parts: bytes) -> bytes:
    """A digest that nobody can make without the key."""
    return hmac.digest(_key(), b"".join(len(part).to_bytes(8, "big") + part for part in parts), "sha256")


# --- Sealing -------------------------------------------------------------------------------------------------


def seal(*, seconds: float = BUDGET_S) -> int:
    """Seal what is settled and has no seal, for about so long. Returns how many events. Nothing while another does."""
    until, sealed = time.monotonic() + seconds, 0
    upto = queries.settled()
    while time.monotonic() < until:
        count = _seal_block(upto)
        if count is None:
            break
        sealed += count
    return sealed


def _seal_block(upto: int) -> int | None:
    """Seal the next block; None when there is none, or another process is at it."""
    with transaction.atomic():
        if not sql.fetch_rows(ALONE)[0][0]:
            return None
        number, last, chain = next(iter(sql.fetch_rows(LAST)), (0, 0, b""))
        if last >= upto:
            return None
        rows = sql.fetch_rows(READ, [last, upto])
        end = rows[-1][0] if len(rows) == BLOCK else upto
        digest = _block([keyed(row[1]) for row in rows])
        link = _link(chain, number + 1, last + 1, end, len(rows), digest)
        sql.execute(WRITE, [number + 1, last + 1, end, len(rows), digest, link, _key_id()])
        sql.execute(PRUNE, {"oldest": partitions.oldest()})
    return len(rows)


def sealed_upto() -> int:
    """The last position that a seal covers."""
    return next(iter(sql.fetch_rows(LAST)), (0, 0, b""))[1]


def _block(leaves: Sequence[bytes]) -> bytes:
    return keyed(b"block", *leaves)


def _link(chain: bytes, *figures: Any) -> bytes:
    return keyed(b"link", chain, *(one if isinstance(one, bytes) else str(one).encode() for one in figures))


# --- Redaction -----------------------------------------------------------------------------------------------


def note(redaction_id: UUID, rows: Sequence[Noted]) -> None:
    """Write down what rows of logs were and are. Needs the transaction in which they change."""
    sql.require_transaction("noting what was redacted")
    if not rows:
        return
    noted = [(row.log, row.key, keyed(row.was), keyed(row.now)) for row in rows]
    proofs = [_proof(redaction_id, *one) for one in noted]
    columns = [list(column) for column in zip(*noted, strict=True)]
    sql.execute(NOTE, [redaction_id, _key_id(), *columns, proofs])


def _proof(redaction_id: UUID, log: str, key: str, was: bytes, now: bytes) -> bytes:
    return keyed(b"redacted", redaction_id.bytes, log.encode(), key.encode(), was, now)


# --- Checking ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    """What a check found. `problems` are sentences; none: the log is whole, and altered by redactions only."""

    seals: int = 0
    events: int = 0
    redacted: int = 0
    gone: int = 0
    """Seals of partitions that retention let go."""
    unsealed: int = 0
    """Positions after the last seal."""
    head: str = ""
    """The last seal: note it somewhere else, and a later check can tell whether it is still there."""
    redactions: set[UUID] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


_Before = tuple[int, int, bytes] | None
"""Number, last position and chain of the seal before."""
Tell = Callable[[int, int], None]
"""Told the position reached, and the last one."""


def verify(tell: Tell = lambda done, of: None, *, expect: str = "") -> Report:
    """Check every seal that is kept, and that no stream has a gap. Reads the log once; writes nothing.

    `expect` is the `head` of an earlier report, noted somewhere else: whether that seal is as it was. Without one, the
    latest seals could be missing together with what they covered.
    """
    report, oldest, upto = Report(), partitions.oldest(), queries.settled()
    heads: set[str] = set()
    before: _Before = None
    for number, first, last, events, digest, chain, key_id in _seals():
        report.seals += 1
        where = f"events {first} to {last}"
        if bytes(key_id) != _key_id():
            report.problems.append(f"{where}: sealed under another THUNDERLINE_SECRET_KEY, so nothing can be said")
        else:
            link = _link(before[2] if before else b"", number, first, last, events, digest)
            if problem := _wrong(before, number, first, last, oldest, fits=chain == link):
                report.problems.append(f"{where}: {problem}")
            if first >= oldest:
                _check_block(report, where, first, last, events, digest)
        report.gone += first < oldest
        before = (number, last, chain)
        report.head = _head(number, chain)
        heads.add(report.head)
        tell(last, upto)
    report.unsealed = max(0, upto - (before[1] if before else 0))
    if expect and expect not in heads:
        report.problems.append(f"the seal {expect} is not there: what came before it was altered, or it was removed")
    for stream, count, low, high, counter in sql.fetch_rows(GAPS, [upto]):
        report.problems.append(f"stream {stream}: {count} events from {low} to {high}; its counter says {counter}")
    return report


def _wrong(
    before: tuple[int, int, bytes] | None, number: int, first: int, last: int, oldest: int, *, fits: bool
) -> str:
    """What is the matter with a seal. The first that is kept is the very first, or one that retention left."""
    if before is None:
        if number == 1:
            return "" if fits else "the seal itself was altered"
        return "" if last < oldest else "a seal before it is missing"
    if (number, first) != (before[0] + 1, before[1] + 1):
        return "a seal before it is missing"
    return "" if fits else "the seal itself was altered"


def _head(number: int, chain: bytes) -> str:
    return f"{number}:{chain.hex()[:32]}"


def _seals() -> Iterator[tuple[Any, ...]]:
    after = 0
    while rows := sql.fetch_rows(SEALS, [after]):
        yield from rows
        after = rows[-1][0]


def _check_block(report: Report, where: str, first: int, last: int, events: int, digest: bytes) -> None:
    leaves = []
    for position, rows in groupby(sql.fetch_rows(SEALED, [first, last]), key=itemgetter(0)):
        found = list(rows)
        leaf = keyed(found[0][1])
        if found[0][2] is not None:
            leaf = _former(report, f"event {position}", leaf, [row[2:] for row in found])
        leaves.append(leaf)
    report.events += len(leaves)
    if len(leaves) != events:
        report.problems.append(f"{where}: there are {len(leaves)} and there were {events}")
    elif digest != _block(leaves):
        report.problems.append(f"{where}: altered otherwise than by a redaction")


def _former(report: Report, where: str, leaf: bytes, records: Sequence[Sequence[Any]]) -> bytes:
    """A redacted row's digest before all of it."""
    report.redacted += 1
    now = records[0][3]
    for redaction_id, log, key, was, then, proof, key_id in records:
        report.redactions.add(redaction_id)
        if bytes(key_id) != _key_id():
            leaf = then
            report.problems.append(f"{where}: redacted under another THUNDERLINE_SECRET_KEY, so nothing can be said")
        elif proof != _proof(redaction_id, log, key, was, then) or was != now:
            report.problems.append(f"{where}: the record of its redaction was altered")
        now = then
    if leaf != now:
        report.problems.append(f"{where}: altered after it was redacted")
    return bytes(records[0][3])


# By keys, so that all records of a row come together.
KEYS = "SELECT DISTINCT key FROM redacted_rows WHERE log = %s AND key > %s ORDER BY key LIMIT 1000"
RECORDS = """
SELECT key, redaction_id, log, key, was, now, proof, key_id FROM redacted_rows
WHERE log = %s AND key = ANY(%s) ORDER BY key, id
"""


def check_rows(report: Report, log: str, digests: Callable[[Sequence[str]], Mapping[str, bytes]]) -> None:
    """Check the redacted rows of another log, as far as they are there; `digests` gives theirs by their keys."""
    after = ""
    while keys := [row[0] for row in sql.fetch_rows(KEYS, [log, after])]:
        after = keys[-1]
        rows = digests(keys)
        for key, records in groupby(sql.fetch_rows(RECORDS, [log, keys]), key=itemgetter(0)):
            if key in rows:
                _former(report, f"{log} {key}", keyed(rows[key]), [record[1:] for record in records])

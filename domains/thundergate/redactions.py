"""Forgetting on request: everything is gone through in small transactions, and again until nothing is found.

What content is made from comes before what is made from it, so that a tick which goes on meanwhile has little to write
down anew, and the next round finds it. Each step and how far it came commit together: killed at any moment, it goes on
with the next step. Nobody's tick waits for more than one step, and no step for a lock longer than two seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import orjson
from django.db import DatabaseError, transaction
from django.utils import timezone
from psycopg import errors

from domains import sql
from domains.redaction import Holding, Step, Subject, Words, holdings
from domains.redaction.holdings import PERSON
from domains.thunderflow import seals
from domains.thunderflow.actions import NewEvent, publish
from domains.thundergate import events
from domains.thundergate.models import Redaction, User

logger = logging.getLogger(__name__)

LEAST_ROUNDS, MOST_ROUNDS = 2, 8
LONGEST_REASON = 500
TRIES = 30
"""Of a step for whose rows somebody holds locks."""
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.5
WAITS = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)

ALONE = "SELECT pg_try_advisory_lock(1163284301, 6)"
RELEASE = "SELECT pg_advisory_unlock(1163284301, 6)"


class RedactionError(Exception):
    """Base of refusals. `code` is stable; the message helps."""

    code = "invalid_payload"


class Busy(RedactionError):
    """Another process is redacting."""

    code = "busy"


class NoSuchRedaction(RedactionError):
    """There is none of that id, or none that is not done."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a round is: the holding's place among all, and the rows of it that were gone through by this process."""

    round: int
    holding: str
    place: int
    of: int
    seen: int


Tell = Callable[[Progress], None]


def _nobody(progress: Progress) -> None:
    return


def check(subject: Subject, *, by: str, reason: str) -> None:
    """Whether somebody may be forgotten for a reason. Raises: RedactionError."""
    if not subject.words:
        raise RedactionError("who is to be forgotten? A name is needed")
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise RedactionError(f"reason: it is kept for good, in 1 to {LONGEST_REASON} characters")
    if subject.words.found(reason):
        raise RedactionError("reason: it is kept for good, so it must not name who is to be forgotten")
    if not 1 <= len(by) <= 200:
        raise RedactionError("somebody must ask for it, under a name of at most 200 characters")
    operators = set(User.objects.filter(is_superuser=True, is_active=True).values_list("pk", flat=True))
    if operators == {subject.user_id}:
        raise RedactionError("this is the last operator: make another one first")


def request(subject: Subject, *, by: str, reason: str) -> Redaction:
    """Write the wish down; `run` carries it out. Raises: RedactionError."""
    check(subject, by=by, reason=reason)
    about = subject.agent_id or subject.user_id
    row = Redaction(
        kind=subject.kind, about=about, subject=orjson.dumps(subject.plain()).decode(), by=by, reason=reason.strip(),
        requested_at=timezone.now(),
    )  # fmt: skip
    row.save(force_insert=True)
    return row


def account(username: str) -> User:
    """A person's account by its name. Raises: RedactionError."""
    found = User.objects.filter(username=username).first()
    if found is None:
        raise RedactionError(f"there is no user {username!r}")
    return found


def everything() -> list[Redaction]:
    """All that were ever asked for, newest first."""
    return list(Redaction.objects.all())


def open_ones() -> list[UUID]:
    """Redactions that are not done, oldest first."""
    return list(Redaction.objects.exclude(status=Redaction.Status.DONE).order_by("pk").values_list("pk", flat=True))


def preview(subject: Subject, tell: Tell = _nobody) -> dict[str, dict[str, int]]:
    """What a round would change and remove, by holding; only those that hold something. Writes nothing."""
    found: dict[str, dict[str, int]] = {}
    kept = holdings()
    for place, holding in enumerate(kept, 1):
        holding.begin()
        seen = changed = removed = 0
        for step in _steps(holding, subject):
            seen, changed, removed = seen + step.seen, changed + step.changed, removed + step.removed
            tell(Progress(1, holding.name, place, len(kept), seen))
        if changed or removed:
            found[holding.name] = {"changed": changed, "removed": removed}
    return found


def _steps(holding: Holding, subject: Subject) -> Iterator[Step]:
    step = holding.step(subject, None, lambda rows: None, dry=True)
    yield step
    while step.after is not None:
        step = holding.step(subject, step.after, lambda rows: None, dry=True)
        yield step


def run(redaction_id: UUID, *, tell: Tell = _nobody, patience_s: float = PATIENCE_S) -> Redaction:
    """Carry a redaction out, or go on with it. Returns it as it is then: done, or waiting for something under way.

    Needs to be outside a transaction. Raises: NoSuchRedaction, Busy; fields.Undecipherable under another secret key.
    """
    with _alone():
        row = Redaction.objects.filter(pk=redaction_id).first()
        if row is None:
            raise NoSuchRedaction(f"there is no redaction {redaction_id}")
        if row.status == Redaction.Status.DONE:
            return row
        subject = Subject.of(orjson.loads(row.subject.reveal()))  # type: ignore[attr-defined]
        for holding in holdings():
            holding.prepare(subject, row.by)
        until = time.monotonic() + patience_s
        while True:
            if row.round > 1 and not _settled(row, subject, until):
                return row
            _go_through(row, subject, tell)
            if row.round >= LEAST_ROUNDS and not row.found:
                _finish(row)
                return row
            if row.round % MOST_ROUNDS == 0:
                _wait(row, f"they are still spoken of: {row.found:,} rows in round {row.round}")
                _next_round(row)
                return row
            _next_round(row)


def _settled(row: Redaction, subject: Subject, until: float) -> bool:
    """Wait for what began before the first round was over. False when it takes too long."""
    since = row.clean_at or timezone.now()
    while reason := "; ".join(filter(None, (one.left(subject, since) for one in holdings()))):
        if time.monotonic() >= until:
            _wait(row, reason)
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _wait(row: Redaction, reason: str) -> None:
    _save(row, status=Redaction.Status.WAITING, waits_for=reason[:500])


def _next_round(row: Redaction) -> None:
    _save(row, round=row.round + 1, holding="", after=None, found=0)


def _go_through(row: Redaction, subject: Subject, tell: Tell) -> None:
    """One round, from where it is."""
    kept = holdings()
    names = [holding.name for holding in kept]
    first = names.index(row.holding) if row.holding in names else 0
    for place, holding in enumerate(kept[first:], first + 1):
        if holding.name != row.holding:
            _save(row, status=Redaction.Status.RUNNING, waits_for="", holding=holding.name, after=None)
        holding.begin()
        seen = 0
        while True:
            step = _patiently(partial(_step, row, holding, subject))
            seen += step.seen
            tell(Progress(row.round, holding.name, place, len(kept), seen))
            if step.after is None:
                break
    _save(row, clean_at=row.clean_at or timezone.now())


def _step(row: Redaction, holding: Holding, subject: Subject) -> Step:
    """One step with its progress, in one transaction."""
    with transaction.atomic():
        sql.execute("SET LOCAL lock_timeout = '2s'")
        step = holding.step(subject, row.after, partial(seals.note, row.pk))
        counts = {name: dict(of) for name, of in row.counts.items()}
        if step.changed or step.removed:
            of = counts.setdefault(holding.name, {"changed": 0, "removed": 0})
            of["changed"] += step.changed
            of["removed"] += step.removed
        found = row.found + step.changed + step.removed
        changes = {"after": step.after, "counts": counts, "found": found}
        Redaction.objects.filter(pk=row.pk).update(**changes)
    for name, value in changes.items():
        setattr(row, name, value)
    return step


def _patiently(act: Callable[[], Step]) -> Step:
    """Try again while others hold locks. Raises what is none of that, and when it takes very long."""
    for attempt in range(TRIES):
        try:
            return act()
        except (DatabaseError, *WAITS) as error:
            if not isinstance(error, WAITS) and not isinstance(error.__cause__, WAITS):
                raise
            if attempt == TRIES - 1:
                raise
            logger.info("a step waits for locks: %s", str(error).strip())
            time.sleep(0.1)
    raise AssertionError("unreachable")


def _finish(row: Redaction) -> None:
    """Forget the names, and tell that it is done."""
    row.refresh_from_db()  # whoever asked may be who is forgotten
    with transaction.atomic():
        changes = {"status": Redaction.Status.DONE, "subject": "", "after": None, "holding": "", "waits_for": ""}
        _save(row, done_at=timezone.now(), **changes)
        rows = {name: sum(of.values()) for name, of in row.counts.items()}
        payload = events.Redacted(redaction_id=row.pk, kind=row.kind, rounds=row.round, rows=rows)
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=row.by))


def _save(row: Redaction, **changes: object) -> None:
    for name, value in changes.items():
        setattr(row, name, value)
    Redaction.objects.filter(pk=row.pk).update(**changes)


@contextmanager
def _alone() -> Iterator[None]:
    """Raises: Busy."""
    if not sql.fetch_rows(ALONE)[0][0]:
        raise Busy("another process is redacting; it can go on when that one is done")
    try:
        yield
    finally:
        sql.fetch_rows(RELEASE)


def verify(tell: seals.Tell = lambda done, of: None, *, expect: str = "") -> seals.Report:
    """Whether the logs are whole, and altered by recorded redactions only. Reads all of them; writes nothing.

    `expect`: as `seals.verify` has it.
    """
    report = seals.verify(tell, expect=expect)
    for holding in holdings():
        if holding.name != seals.EVENTS and holding.digests([]) is not None:
            seals.check_rows(report, holding.name, lambda keys, of=holding: of.digests(keys) or {})  # type: ignore[misc]
    known = set(Redaction.objects.filter(pk__in=report.redactions).values_list("pk", flat=True))
    report.problems += [f"there is no record of redaction {one}" for one in sorted(report.redactions - known)]
    return report


def export(subject: Subject, *, now: datetime, tell: Tell = _nobody) -> Iterator[bytes]:
    """All that is held about somebody as JSON lines: a header, a line a row with where it lies, and how many they are.

    Not as of one moment: it is gone through as a redaction would. Secrets and vectors are left out.
    """
    yield _line({"thunderline_about": 1, "kind": subject.kind, "names": list(subject.words.names), "exported_at": now})
    counts: dict[str, int] = {}
    kept = holdings()
    for place, holding in enumerate(kept, 1):
        holding.begin()
        for row in holding.rows(subject):
            counts[holding.name] = counts.get(holding.name, 0) + 1
            yield _line({"held_in": holding.name, "row": row})
            tell(Progress(1, holding.name, place, len(kept), counts[holding.name]))
    yield _line({"rows": sum(counts.values()), "by": counts})


def _line(value: object) -> bytes:
    return orjson.dumps(value, default=str) + b"\n"


def person(names: Sequence[str], *, user: User | None = None) -> Subject:
    """A person by names, and by their account if they have one: its name, full name and address count, too.

    Raises: BadName; RedactionError when there is no name at all.
    """
    of_account = [user.get_username(), user.get_full_name(), user.email] if user is not None else []
    words = Words([*(name for name in of_account if name), *names])
    if not words:
        raise RedactionError("a person needs an account or a name")
    labels = (f"user:{user.get_username()}",) if user is not None else ()
    return Subject(PERSON, words, user_id=None if user is None else user.pk, labels=labels)

"""`/dead-letters`: events that a subscriber could not handle, to be sent again or let go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from rest_framework.response import Response

from domains.thunderflow import readers
from domains.thunderflow.faults import CLASSES
from domains.thunderflow.subscribers import actions
from thunderline.api import events, pages, problems, requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import empty, reply

EXAMPLE_ID = "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e71"
EXAMPLE_ROW = {
    "id": EXAMPLE_ID, "subscription": "chronicle", "stream": "zone:0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e11", "seq": 311,
    "position": 90210, "topic": "zone.0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e11.agent_entered", "status": "waiting",
    "attempts": 6, "error_class": "transient", "error": "TimeoutError: no answer",
    "first_failed_at": "2026-05-31T12:20:00Z", "failed_at": "2026-05-31T12:21:00Z", "resolved_at": None,
    "resolved_by": "",
}  # fmt: skip
EXAMPLE = {**EXAMPLE_ROW, "event": {"payload": {"name": "Ada"}}, "traceback": ""}
IDS = {"letter_id": EXAMPLE_ID}
VIEW, CHANGE = "thunderflow.view_deadletter", "thunderflow.change_deadletter"

Status = Literal["waiting", "retrying", "handled", "discarded"]
ErrorClass = Literal["validation", "transient", "timeout", "dependency", "permanent", "security"]
if set(ErrorClass.__args__) != set(CLASSES):  # type: ignore[attr-defined]
    raise RuntimeError("classes of errors and what REST says of them are not the same")


class DeadLetterRow(BaseModel):
    """A dead letter as lists have it."""

    id: UUID
    subscription: str
    stream: str
    seq: int
    position: int
    topic: str
    status: Status
    attempts: int
    error_class: str
    error: str
    first_failed_at: datetime
    failed_at: datetime
    resolved_at: datetime | None
    resolved_by: str


class DeadLetter(DeadLetterRow):
    """The same with the whole event, and where it failed."""

    event: dict[str, Any]
    traceback: str


class DeadLetterPage(pages.Page[DeadLetterRow]):
    """Dead letters, the newest event first."""


class DeadLettersQuery(requests.Pages):
    """Which dead letters."""

    subscription: requests.Name | None = None
    pattern: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    error_class: ErrorClass | None = None
    status: Status = "waiting"


def _row(letter: Any) -> dict[str, Any]:
    alike = set(DeadLetterRow.model_fields) - {"subscription"}
    return {"subscription": letter.subscription.name, **{name: getattr(letter, name) for name in alike}}


def _these(request: Any, **which: Any) -> Any:
    """Of streams that they may read. Raises: BadPattern, NoSuchSubscription."""
    return readers.narrowed(actions.dead_letters(**which), events.seen(request))


def _one(request: Any, letter_id: UUID) -> Any:
    """Raises: problems.Refused (404)."""
    found = _these(request, status=None, ids=[letter_id]).first()
    if found is None:
        raise problems.not_found("dead letter")
    return found


def _whole(request: Any, letter_id: UUID) -> DeadLetter:
    letter = _one(request, letter_id)
    return DeadLetter(**_row(letter), event=letter.event, traceback=letter.traceback)


class DeadLetters(Door):
    domain = "thunderflow"

    @operation(
        "dead_letters_list", "Dead letters", tag="dead letters", scope="system:read", permission=VIEW,
        query=DeadLettersQuery, answer=DeadLetterPage, shows={"results": [EXAMPLE_ROW], "next": None},
        errors=[404, 422], asks={"status": "waiting", "error_class": "transient", "limit": 20},
    )  # fmt: skip
    def get(self, request: Any, query: DeadLettersQuery) -> Response:
        """Those that wait, if nothing else is said."""
        key = pages.key_of(query.cursor, int, UUID)
        rows = _these(
            request,
            subscription=query.subscription,
            pattern=query.pattern,
            error_class=query.error_class,
            status=query.status,
        ).defer("event", "traceback")
        if key:
            rows = rows.extra(where=["(event_dead_letters.position, event_dead_letters.id) < (%s, %s)"], params=key)
        found = list(rows.order_by("-position", "-id")[: query.limit + 1])
        page = pages.page(
            request, found, query.limit, key=lambda letter: (letter.position, letter.pk),
            shape=lambda letter: DeadLetterRow(**_row(letter)),
        )  # fmt: skip
        return reply(page)


class OneDeadLetter(Door):
    domain = "thunderflow"

    @operation(
        "dead_letters_read", "A dead letter", tag="dead letters", scope="system:read", permission=VIEW, ids=IDS,
        answer=DeadLetter, shows=EXAMPLE,
    )  # fmt: skip
    def get(self, request: Any, letter_id: UUID) -> Response:
        """With its event."""
        return reply(_whole(request, letter_id))

    @operation(
        "dead_letters_discard", "Let a dead letter go", tag="dead letters", scope="system:write", permission=CHANGE,
        ids=IDS, status=204, errors=[409],
    )  # fmt: skip
    def delete(self, request: Any, letter_id: UUID) -> Response:
        """It is not sent again; the row stays."""
        letter = _one(request, letter_id)
        if not actions.discard(_these(request, ids=[letter_id]), by=self.actor):
            raise _resolved(letter)
        return empty()


class RetryDeadLetter(Door):
    domain = "thunderflow"

    @operation(
        "dead_letters_retry", "Send a dead letter again", tag="dead letters", scope="system:write", permission=CHANGE,
        ids=IDS, answer=DeadLetter, status=202, shows={**EXAMPLE, "status": "retrying"}, errors=[409],
    )  # fmt: skip
    def post(self, request: Any, letter_id: UUID) -> Response:
        """Out of order, and marked so, as soon as its subscriber comes to it."""
        letter = _one(request, letter_id)
        if not actions.retry(_these(request, ids=[letter_id]), by=self.actor):
            raise _resolved(letter)
        return reply(_whole(request, letter_id), status=202)


def _resolved(letter: Any) -> problems.Refused:
    return problems.Refused(409, "wrong_state", f"it is {letter.status}; only dead letters that wait can be resolved")

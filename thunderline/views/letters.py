"""Dead letters: events that a subscriber could not handle, to be sent again or let go, one or all that are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from domains.readonly import actor
from domains.thunderflow import readers
from domains.thunderflow.faults import CLASSES
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.subscribers import actions
from domains.thunderflow.subscribers import queries as subscribers
from thunderline.views import live
from thunderline.views.permitted import permitted

VIEW, CHANGE = "thunderflow.view_deadletter", "thunderflow.change_deadletter"
SHOWN = 50
MOST_COUNTED = 10_000
STATES = {"waiting": "waiting", "retrying": "sent again", "handled": "handled", "discarded": "discarded"}
LONGEST, LONGEST_NUMBER = 500, 18
VERBS = {"retry": (actions.retry, "sent again"), "discard": (actions.discard, "let go")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which dead letters. Empty: any."""

    subscription: str = ""
    pattern: str = ""
    error_class: str = ""
    status: str = "waiting"

    @property
    def query(self) -> str:
        """As the end of an address."""
        return urlencode({name: value for name, value in asdict(self).items() if value != getattr(Asked(), name)})


def _asked(given: Any) -> Asked:
    """Of a request's GET or POST. Raises: Http404 for what no form of ours can hold."""
    words = {name: given.get(name, "").replace("\0", "").strip()[:LONGEST] for name in asdict(Asked()) if name in given}
    asked = Asked(**{name: value for name, value in words.items() if value})
    if asked.status not in STATES or asked.error_class not in ("", *CLASSES):
        raise Http404
    return asked


def _found(asked: Asked, user: Any) -> Any:
    """Of streams that they may read. Raises: BadPattern, NoSuchSubscription."""
    found = actions.dead_letters(
        subscription=asked.subscription or None, pattern=asked.pattern or None,
        error_class=asked.error_class or None, status=asked.status,
    )  # fmt: skip
    return readers.narrowed(found, readers.seen(user))


def _these(letter_id: UUID, user: Any, **which: Any) -> Any:
    return readers.narrowed(actions.dead_letters(ids=[letter_id], **which), readers.seen(user))


@live.door("thunderflow")
@permitted(VIEW)
def show(request: HttpRequest) -> HttpResponse:
    """Dead letters that match, the newest event first; `before` is a position to go on from. Four queries."""
    asked, problem, letters, count = _asked(request.GET), "", [], 0
    before = _before(request)
    try:
        rows = _found(asked, request.user).defer("event", "traceback")
        count = rows.order_by()[: MOST_COUNTED + 1].count()
        if before:
            rows = rows.extra(where=["(event_dead_letters.position, event_dead_letters.id) < (%s, %s)"], params=before)
        letters = list(rows.order_by("-position", "-id")[: SHOWN + 1])
    except (BadPattern, actions.SubscriptionError) as error:
        problem = str(error)
    context = {
        "asked": asked, "letters": letters[:SHOWN], "count": count, "uncounted": count > MOST_COUNTED,
        "most": MOST_COUNTED, "may": request.user.has_perm(CHANGE), "states": STATES,
        "last": letters[SHOWN - 1] if len(letters) > SHOWN else None,
    }  # fmt: skip
    names = [one.name for one in subscribers.standings()]
    whole = {"asked": asked, "problem": problem, "names": names, "classes": CLASSES, "states": STATES}
    response = live.respond(request, "letters.html", [live.Panel("letters", context)], whole)
    if problem:
        response.status_code = 400
    return response


def _before(request: HttpRequest) -> tuple[int, UUID] | None:
    """Position and id of the last one that was seen. Raises: Http404."""
    position, id_ = request.GET.get("before", ""), request.GET.get("id", "")
    if not position:
        return None
    if not position.isdecimal() or len(position) > LONGEST_NUMBER:
        raise Http404
    try:
        return int(position), UUID(id_)
    except ValueError as error:
        raise Http404 from error


@live.door("thunderflow")
@permitted(VIEW)
def one(request: HttpRequest, letter_id: UUID) -> HttpResponse:
    """All of a dead letter: its event, and where it failed."""
    letter = _these(letter_id, request.user, status=None).first()
    if letter is None:
        raise Http404
    panel = live.Panel("letter", {"letter": letter, "may": request.user.has_perm(CHANGE), "states": STATES})
    return live.respond(request, "letter.html", [panel], {"letter": letter, "now": timezone.now()})


def _verb(name: str) -> tuple[Any, str]:
    """What is done, and how it is told. Raises: Http404."""
    if name not in VERBS:
        raise Http404
    return VERBS[name]


@require_POST
@live.door("thunderflow")
@permitted(CHANGE)
def resolve(request: HttpRequest, letter_id: UUID, verb: str) -> HttpResponse:
    """Send one again, or let it go."""
    act, done = _verb(verb)
    if act(_these(letter_id, request.user), by=actor(request)):
        return live.notice(request, f"The dead letter is {done}.")
    return live.notice(request, "It does not wait any more; nothing was done.", status=409, kind="bad")


@require_POST
@live.door("thunderflow")
@permitted(CHANGE)
def resolve_all(request: HttpRequest, verb: str) -> HttpResponse:
    """The same with all that wait and match."""
    act, done = _verb(verb)
    asked = _asked(request.POST)
    if asked.status != "waiting":
        return live.notice(request, "Only dead letters that wait can be resolved.", status=409, kind="bad")
    try:
        count = act(_found(asked, request.user), by=actor(request))
    except (BadPattern, actions.SubscriptionError) as error:
        return live.notice(request, str(error), status=400, kind="bad")
    return live.notice(request, f"{count:,} dead letter{'' if count == 1 else 's'} {done}.".replace(",", "\u202f"))

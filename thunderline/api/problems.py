"""Every refusal as RFC 9457 problem details: one shape, `application/problem+json`, whatever refused.

The codes are those of the apps' own exceptions. 400 says that a request does not fit its description, 422 that it does
and still means something that cannot be; either way nothing was changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from pydantic import BaseModel, ValidationError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from agents.errors import AgentError
from domains.thunderblock.actions import UnknownDomain
from domains.thunderblock.guards import DomainInactive
from domains.thunderflow.blackboard.errors import BlackboardError
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.subscribers.actions import SubscriptionError
from domains.thundergate import authentication
from domains.thundergate.errors import GateError
from memory.errors import VaultError
from zones.errors import ZoneError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
KIND = "urn:thunderline:problem:"
TOLD = 50
"""Mistakes that one reply names."""
AGAIN_S = 5
"""Seconds after which what is away may be back."""

STATUSES: Mapping[str, int] = {
    "agent_not_found": 404, "zone_not_found": 404, "no_such_memory": 404, "entry_not_found": 404, "not_found": 404,
    "subscription_not_found": 404,
    "access_denied": 403,
    "wrong_state": 409, "zone_full": 409, "zone_busy": 409, "on_its_way": 409, "version_conflict": 409,
    "insufficient_resources": 409, "not_here": 409,
    "domain_inactive": 503, "unavailable": 503,
}  # fmt: skip
"""By code of an app's refusal; every other one is 422."""

TAKEN = {
    "agent_name_unique": "an agent of this name lives in this world already",
    "zone_name_unique": "a zone of this name is in this world already",
    "worlds_name_key": "a world of this name is there already",
}
_REFUSALS = (AgentError, ZoneError, VaultError, BlackboardError, SubscriptionError, DomainInactive)
_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


class FieldProblem(BaseModel):
    """One thing that does not fit. `field` is dotted, with places in lists as numbers; empty: the whole."""

    field: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `detail` is a sentence that says what to do differently."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[FieldProblem] = []


class Refused(Exception):
    """What this door itself refuses. `headers` go with the reply."""

    def __init__(
        self, status: int, code: str, detail: str, *, errors: list[FieldProblem] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.code, self.errors, self.headers = status, code, errors or [], dict(headers or {})


def not_found(what: str) -> Refused:
    """There is none, or none that one may see: nobody learns which."""
    return Refused(404, "not_found", f"there is no such {what}, or none that you may see")


def misfit(field: str, detail: str, *, status: int = 400) -> Refused:
    """A request with one mistake."""
    code = "invalid" if status == 400 else "invalid_payload"
    return Refused(status, code, f"{field}: {detail}", errors=[FieldProblem(field=field, detail=detail)])


def handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. None: nobody knows this error; it is logged, and answered as a fault (500)."""
    request = context["request"]
    try:
        known = _known(error)
    except Exception:
        logger.exception("an error that cannot be told")
        return None
    if known is None:
        return None
    set_rollback()
    return respond(request, known)


def respond(request: Any, refused: Refused) -> Response:
    """The reply to a request that was refused."""
    response = Response(_problem(request, refused), status=refused.status, content_type=MEDIA_TYPE)
    for name, value in refused.headers.items():
        response[name] = value
    return response


def plain(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    """The same where no view of DRF was reached."""
    body = _problem(request, Refused(status, code, detail)).model_dump_json()
    return HttpResponse(body, status=status, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _problem(request: Any, refused: Refused) -> Problem:
    return Problem(
        type=KIND + refused.code, title=HTTPStatus(refused.status).phrase, status=refused.status,
        detail=str(refused), code=refused.code, instance=request.path, errors=refused.errors[:TOLD],
    )  # fmt: skip


def _known(error: Exception) -> Refused | None:
    if isinstance(error, Refused):
        return error
    if isinstance(error, ValidationError):
        return of_model(error)
    if isinstance(error, _REFUSALS):
        return _of_app(error)
    if isinstance(error, BadPattern):
        return misfit("pattern", str(error), status=422)
    if isinstance(error, UnknownDomain):
        return Refused(404, "not_found", str(error))
    if isinstance(error, authentication.Refused):
        return _of_gate(error.error)
    if isinstance(error, GateError):
        return _of_gate(error)
    if isinstance(error, Http404):
        return Refused(404, "not_found", "there is nothing at this address")
    if isinstance(error, PermissionDenied):
        return Refused(403, "access_denied", str(error) or "you may not do this")
    if isinstance(error, RequestDataTooBig):
        return Refused(413, "too_large", "the body is larger than is taken here")
    if isinstance(error, exceptions.APIException):
        return _of_drf(error)
    return _of_database(error)


def _of_gate(error: GateError) -> Refused:
    shown = {"WWW-Authenticate": authentication.challenge(error)} if error.status in (401, 403) else {}
    if isinstance(error, authentication.TooManyRefused):
        shown["Retry-After"] = str(error.retry_after_s)
    errors = [FieldProblem(field=error.field, detail=str(error))] if error.field else []
    return Refused(error.status, error.code, str(error), headers=shown, errors=errors)


def _of_app(error: Any) -> Refused:
    status = STATUSES.get(error.code, 422)
    headers = {"Retry-After": str(AGAIN_S)} if status == 503 or error.code == "zone_busy" else {}
    errors = list(_named(str(error))) if status == 422 else []
    return Refused(status, error.code, str(error), headers=headers, errors=errors)


def _named(text: str) -> Iterator[FieldProblem]:
    """The apps write `field: what is wrong`."""
    field, colon, detail = text.partition(": ")
    if colon and field.replace("_", "").replace(".", "").isalnum():
        yield FieldProblem(field=field, detail=detail)


def of_model(error: ValidationError, *, status: int = 400) -> Refused:
    """What pydantic found, without what was given: it may be long, and is none of a log's business."""
    found = [
        FieldProblem(field=".".join(map(str, one["loc"])), detail=_sentence(one["msg"]))
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = found[0]
    detail = f"{first.field}: {first.detail}" if first.field else first.detail
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refused(status, "invalid", detail + more, errors=found)


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text.encode("utf-8", "replace").decode()[:300]


def _of_drf(error: exceptions.APIException) -> Refused:
    headers = {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait + 0.999)))
    codes = {
        exceptions.NotAuthenticated: "unauthenticated", exceptions.MethodNotAllowed: "method_not_allowed",
        exceptions.UnsupportedMediaType: "unsupported_media_type", exceptions.Throttled: "too_many_requests",
        exceptions.PermissionDenied: "access_denied", exceptions.NotAcceptable: "not_acceptable",
    }  # fmt: skip
    code = codes.get(type(error)) or str(getattr(error, "default_code", "error"))
    if isinstance(error, exceptions.AuthenticationFailed) and isinstance(error.get_codes(), str):
        code = str(error.get_codes())
    return Refused(error.status_code, code, str(error.detail), headers=headers)


def _of_database(error: Exception) -> Refused | None:
    if isinstance(error, IntegrityError | psycopg.IntegrityError):
        cause = error.__cause__ or error
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None) or ""
        if constraint in TAKEN:
            return Refused(409, "taken", TAKEN[constraint])
        logger.warning("a request broke %s", constraint)
        return Refused(409, "conflict", f"it does not go together with what is there ({constraint})")
    if isinstance(error, _AWAY):
        logger.warning("the database did not do what a request asked for: %s", error)
        headers = {"Retry-After": str(AGAIN_S)}
        return Refused(503, "unavailable", "the database is busy or away; try again in a moment", headers=headers)
    return None

"""Each request acts as its user, under a correlation id of its own or the one its caller sent."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from domains.origin import Origin, client_address
from domains.thunderflow.context import acting

HEADER = "X-Correlation-ID"
DOORS = {"admin": "admin", "api": "rest", "mcp": "mcp"}
"""Doors by the first part of the path; all else are pages."""


class CorrelationMiddleware:
    """Reads `X-Correlation-ID` (a UUID; anything else is ignored) and answers with the one in force."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        actor = f"user:{user.get_username()}" if user is not None and user.is_authenticated else "anonymous"
        correlation_id = _uuid(request.headers.get(HEADER))
        with acting(actor=actor, correlation_id=correlation_id, origin=origin(request)) as context:
            response = self.get_response(request)
        response[HEADER] = str(context.correlation_id)
        return response


def origin(request: HttpRequest) -> Origin:
    """Where a request comes from. Who finds out later who asks (by a key, say) acts again with that replaced."""
    door = DOORS.get(request.path_info.lstrip("/").partition("/")[0], "page")
    user = getattr(request, "user", None)
    user_id = getattr(user, "pk", None) if user is not None and user.is_authenticated else None
    return Origin(door, address_of(request), user_id, request=f"{request.method} {request.path_info}")


def address_of(request: HttpRequest) -> str:
    """The address of who asks; empty when it is not known."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return client_address(request.META.get("REMOTE_ADDR", ""), forwarded, settings.PROXIES)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None

"""Each request acts as its user, under a correlation id of its own or the one its caller sent."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from domains.thunderflow.context import acting

HEADER = "X-Correlation-ID"


class CorrelationMiddleware:
    """Reads `X-Correlation-ID` (a UUID; anything else is ignored) and answers with the one in force."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        actor = f"user:{user.get_username()}" if user is not None and user.is_authenticated else "anonymous"
        with acting(actor=actor, correlation_id=_uuid(request.headers.get(HEADER))) as context:
            response = self.get_response(request)
        response[HEADER] = str(context.correlation_id)
        return response


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None

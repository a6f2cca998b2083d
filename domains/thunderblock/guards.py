"""Shut doors: what a domain offers does nothing, and says why, while the domain is not active."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from domains.thunderblock import queries

_FRESH_S = 1.0
_seen: dict[str, tuple[float, queries.DomainStatus | None]] = {}


class DomainInactive(Exception):
    """The domain that would do this is not active. `reason` is for people."""

    code = "domain_inactive"

    def __init__(self, domain: str, reason: str) -> None:
        super().__init__(f"{domain} is not active: {reason}")
        self.domain, self.reason = domain, reason


def require(name: str) -> None:
    """Raises: DomainInactive. The state is read at most once a second and process."""
    read_at, status = _seen.get(name, (float("-inf"), None))
    if time.monotonic() - read_at > _FRESH_S:
        status = queries.domain_status(name)
        _seen[name] = (time.monotonic(), status)
    if status is None or status.status != "active":
        raise DomainInactive(name, (status and (status.reason or status.status)) or "unknown domain")


def forget() -> None:
    """Read the states anew at the next question."""
    _seen.clear()


def door(name: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """View decorator: 503 with the reason while the domain is not active."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                require(name)
            except DomainInactive as error:
                body = {"code": error.code, "domain": error.domain, "detail": str(error)}
                return JsonResponse(body, status=503, headers={"Retry-After": "5"})
            return view(request, *args, **kwargs)

        return guarded

    return wrap

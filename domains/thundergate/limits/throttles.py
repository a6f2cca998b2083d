"""Limits of REST endpoints."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from domains.thundergate.access import Identity
from domains.thundergate.limits import store
from domains.thundergate.limits.rates import Verdict
from domains.thundergate.limits.views import identity_of, note


class IdentityThrottle(BaseThrottle):
    """By who asks; a view says `limit_kind = "heavy"`, or has a method `limit_kind_of(request)`."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count it. The middleware tells how much is left."""
        of = getattr(view, "limit_kind_of", None)
        kind = of(request) if of else getattr(view, "limit_kind", "default")
        self.verdict = store.take(_identity(request), kind)
        note(request._request, self.verdict)
        return self.verdict.allowed

    def wait(self) -> float | None:
        """Seconds until it may come again, for `Retry-After`."""
        return self.verdict.retry_after_s if self.verdict else None


def _identity(request: Request) -> str:
    return store.of(request.auth) if isinstance(request.auth, Identity) else identity_of(request._request)

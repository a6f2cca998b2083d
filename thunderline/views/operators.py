"""What probes and Prometheus ask for. Strangers learn whether the system is well, and nothing else."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST

from thunderline import health as how
from thunderline.metrics import exposition

PROXIED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")
HEALTH = "/health"
_FOUND = "thunderline.health"


@login_not_required
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """`{"status": "ok|degraded|down"}`, each part too for staff and for who has the metrics token; 503 when down."""
    found: how.Health = request.META.get(_FOUND) or how.check()
    full = has_token(request) or (found.database_answers and _is_staff(request))
    body = found.full() if full else found.brief()
    return JsonResponse(body, status=503 if found.status == how.DOWN else 200)


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and bool(getattr(user, "is_staff", False))


class HealthMiddleware:
    """Answers `/health` before anything looks for a session, as there is none to be had without a database.

    Only who has a session goes on to the view, and only when the database answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != HEALTH:
            return self.get_response(request)
        found = request.META[_FOUND] = how.check()
        if found.database_answers and settings.SESSION_COOKIE_NAME in request.COOKIES:
            return self.get_response(request)
        return health(request)


@login_not_required
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For loopback, and for who has the token."""
    if not (has_token(request) or is_loopback(request)):
        text = "Metrics are for this machine, or for a bearer token that THUNDERLINE_METRICS_TOKEN names.\n"
        return HttpResponse(text, status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def has_token(request: HttpRequest) -> bool:
    """Whether the request bears the metrics token. Never, when none is set."""
    token = settings.CONFIG.metrics_token
    sent = request.headers.get("Authorization", "")
    return token is not None and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())


def is_loopback(request: HttpRequest) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it."""
    if any(header in request.headers for header in PROXIED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False

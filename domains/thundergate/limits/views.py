"""Limits of plain views, and the headers that tell how much is left."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

from domains.thunderflow.middleware import address_of
from domains.thundergate.limits import store
from domains.thundergate.limits.rates import Verdict

View = Callable[..., Any]
When = Callable[[HttpRequest], bool]
_FOUND = "thunderline.limit"


def identity_of(request: HttpRequest) -> str:
    """Whose requests are counted together: who is signed in, else the address."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"user:{user.pk}"
    return f"address:{address_of(request)}"


def note(request: HttpRequest, verdict: Verdict) -> None:
    """Have the answer tell a verdict; of several the one that leaves least."""
    before: Verdict | None = request.META.get(_FOUND)
    if before is None or (verdict.allowed, verdict.remaining) <= (before.allowed, before.remaining):
        request.META[_FOUND] = verdict


def limited(kind: str = "default", *, when: When = lambda request: True) -> Callable[[View], View]:
    """Decorate a view, sync or async: requests for which `when` holds are counted, and 429 answers those too many."""

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def waiting(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
                if when(request):
                    verdict = await store.take_async(identity_of(request), kind)
                    note(request, verdict)
                    if not verdict.allowed:
                        return refused(verdict)
                return await view(request, *args, **kwargs)

            return waiting

        @wraps(view)
        def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if when(request):
                verdict = store.take(identity_of(request), kind)
                note(request, verdict)
                if not verdict.allowed:
                    return refused(verdict)
            return view(request, *args, **kwargs)

        return asking

    return decorate


def refused(verdict: Verdict) -> HttpResponse:
    """429 with what the caller needs to know."""
    text = verdict.sentence[:1].upper() + verdict.sentence[1:] + ".\n"
    response = HttpResponse(text, status=429, content_type="text/plain; charset=utf-8", headers=verdict.headers())
    response["Cache-Control"] = "no-store"
    return response


class LimitHeadersMiddleware:
    """Tells in every answer to a counted request how much is left."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._awaited(request)
        return _told(request, self.get_response(request))

    async def _awaited(self, request: HttpRequest) -> HttpResponse:
        return _told(request, await self.get_response(request))


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    verdict: Verdict | None = request.META.get(_FOUND)
    for name, value in verdict.headers().items() if verdict else ():
        response[name] = value
    return response

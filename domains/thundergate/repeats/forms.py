"""Forms that are sent twice, by a double click or a reload: done once, and answered twice.

A form carries a key of its own (`{% once %}`), which counts together with all that is in it: filled in otherwise, it
is another one. Without a key, it is done whenever it comes.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from domains.thundergate.repeats import store
from domains.thundergate.repeats.store import Answer

FIELD = "once"
_OTHER = "csrfmiddlewaretoken"
_KEPT_HEADERS = ("Content-Type", "Location", "HX-Trigger")
View = Callable[..., Any]


def key() -> str:
    """A new one, for a form."""
    return secrets.token_urlsafe(16)


def once(view: View) -> View:
    """Decorate a view: a form that comes again is answered as the first was. It runs in a transaction."""

    @functools.wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return done_once(request, lambda: view(request, *args, **kwargs))

    return asking


def done_once(request: HttpRequest, act: Callable[[], Any]) -> Any:
    """Answer a request by `act`, unless it is a form that was answered. It waits for the same that is under way."""
    if request.method != "POST" or not request.POST.get(FIELD) or not request.user.is_authenticated:
        return act()
    asked = store.fingerprint(request.path, *_given(request))
    return store.once(request.user.pk, f"form:{asked.hex()}", asked, act, keep=_kept, again=_again, wait=True)


def _given(request: HttpRequest) -> list[str]:
    return [f"{name}={value}" for name, values in sorted(request.POST.lists()) if name != _OTHER for value in values]


def _kept(response: HttpResponse | None) -> Answer | None:
    """What was done leads elsewhere or has the page look again; what was refused shows the form, and is not kept."""
    done = response is not None and response.status_code < 400 and ("Location" in response or "HX-Trigger" in response)
    if response is None or not done:
        return None
    headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    return Answer(response.status_code, response.content.decode(), headers)


def _again(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))

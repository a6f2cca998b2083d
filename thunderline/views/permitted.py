"""Pages and buttons of who looks after the system: each names the permission that it takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from thunderline.views import live

View = Callable[..., HttpResponse]


def permitted(permission: str) -> Callable[[View], View]:
    """View decorator: who has not the permission is told so, on a button in a line, else by the page for that."""

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.has_perm(permission):
                return view(request, *args, **kwargs)
            if not request.headers.get("HX-Request"):
                raise PermissionDenied
            return live.notice(request, "This is not yours to do.", status=403, kind="bad", refresh=False)

        return asking

    return wrap

"""Pages that keep themselves up to date: a page is panels, and a poll brings only those that have changed.

The browser sends the digest of each panel that it shows (`static/thunderline/pages.js` and htmx do); what has
another digest now is sent, to be put in the old one's place. A poll that finds nothing new is answered with 204.
So scroll, selection and open details stay as they are, and a page that rests costs next to nothing. What a panel
shows must therefore not depend on the moment of its rendering: instants are written as such and told relatively by
the browser.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString, mark_safe

from domains.thunderblock import guards
from thunderline import metrics


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a page that is refreshed as one: `templates/parts/<name>.html` with its context."""

    name: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A panel as it is sent. `replaces`: it takes the place of the one with its name."""

    name: str
    html: SafeString
    digest: str
    replaces: bool


def respond(request: HttpRequest, template: str, panels: Sequence[Panel], context: Mapping[str, Any]) -> HttpResponse:
    """The whole page, or for a poll the panels that changed (204 when none did)."""
    polled = bool(request.headers.get("HX-Request"))
    rendered = [_render(request, panel, replaces=polled) for panel in panels]
    if polled:
        changed = [panel for panel in rendered if request.GET.get(panel.name) != panel.digest]
        response = render(request, "parts/changed.html", {"panels": changed}) if changed else HttpResponse(status=204)
    else:
        metrics.page_views.labels(template.removesuffix(".html")).inc()
        whole = {**context, "now": timezone.now(), "panels": {panel.name: panel for panel in rendered}}
        response = render(request, template, whole)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _render(request: HttpRequest, panel: Panel, *, replaces: bool) -> Rendered:
    html = render_to_string(f"parts/{panel.name}.html", dict(panel.context), request)
    return Rendered(panel.name, mark_safe(html), f"{crc32(html.encode()):08x}", replaces)  # noqa: S308


def asked(request: HttpRequest) -> str:
    """What was typed into the page's search box; PostgreSQL takes any text but NUL."""
    return request.GET.get("q", "").replace("\0", "").strip()


@dataclass(frozen=True, slots=True)
class Undo:
    """A button in a notice that takes back what was done: what is posted to `url`, as long as the notice stands."""

    url: str
    label: str = "Undo"
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> str:
        """As htmx reads them."""
        return json.dumps(self.given)


def notice(
    request: HttpRequest,
    text: str,
    *,
    status: int = 200,
    kind: str = "good",
    refresh: bool = True,
    undo: Undo | None = None,
) -> HttpResponse:
    """Answer to a button: a line that the page shows, and the word to refresh itself at once."""
    response = render(request, "parts/notice.html", {"text": text, "kind": kind, "undo": undo}, status=status)
    if refresh:
        response["HX-Trigger"] = "refresh"
    return response


def shut(domain: str) -> str | None:
    """Why a part of a page is closed; None while its domain is active."""
    try:
        guards.require(domain)
    except guards.DomainInactive as error:
        return str(error)
    return None


def door(domain: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """View decorator: while the domain is not active, 503 with why, for people."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            reason = shut(domain)
            return _closed(request, reason) if reason else view(request, *args, **kwargs)

        return guarded

    return wrap


def _closed(request: HttpRequest, reason: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        response = notice(request, reason, status=503, kind="bad", refresh=False)
    else:
        response = render(request, "closed.html", {"reason": reason}, status=503)
    response["Retry-After"] = "5"
    return response

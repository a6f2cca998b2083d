"""What browsers are told to refuse. Pages run no script but those of our own files; the admin has its own policy.

The admin's theme writes behaviour into attributes (Alpine), which takes `unsafe-eval` and inline styles there. Its
pages are for staff, and run no inline scripts either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

SELF, NONE = "'self'", "'none'"
PAGES: Mapping[str, str] = {
    "default-src": NONE,
    "script-src": SELF,
    "style-src": SELF,
    "img-src": f"{SELF} data:",
    "font-src": SELF,
    "connect-src": SELF,
    "manifest-src": SELF,
    "base-uri": NONE,
    "form-action": SELF,
    "frame-ancestors": NONE,
    "object-src": NONE,
}
ADMIN = {
    **PAGES,
    "script-src": f"{SELF} 'unsafe-eval'",
    "style-src": f"{SELF} 'unsafe-inline'",
}
DATA = {"default-src": NONE, "frame-ancestors": NONE, "base-uri": NONE, "form-action": NONE}
# All that browsers agree on: a page that shuts one which Chromium does not know on its platform fills the console.
FEATURES = (
    "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media",
    "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "identity-credentials-get", "idle-detection",
    "local-fonts", "magnetometer", "microphone", "midi", "otp-credentials", "payment", "picture-in-picture",
    "publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb",
    "window-management", "xr-spatial-tracking",
)  # fmt: skip
OTHERS = {
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in FEATURES),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "X-Content-Type-Options": "nosniff",
    "X-Permitted-Cross-Domain-Policies": "none",
}


def policy(directives: Mapping[str, str], *, sockets: str = "", upgrade: bool = False) -> str:
    """As a header says it. `sockets`: the one origin of a socket that is not the page's own."""
    said = dict(directives)
    if sockets and "connect-src" in said:
        said["connect-src"] += f" {sockets}"
    parts = [f"{name} {value}" for name, value in said.items()]
    return "; ".join([*parts, "upgrade-insecure-requests"] if upgrade else parts)


class HeadersMiddleware:
    """Puts them on every response that has not said otherwise itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for name, value in OTHERS.items():
            response.headers.setdefault(name, value)
        # What is answered is somebody's own, and true for a moment; static files say otherwise.
        response.headers.setdefault("Cache-Control", "no-store")
        if settings.DEBUG and response.status_code in (404, 500):
            return response  # Django's own pages, which live of inline scripts
        html = response.headers.get("Content-Type", "").startswith("text/html")
        directives = (ADMIN if request.path_info.startswith("/admin/") else PAGES) if html else DATA
        sockets = settings.SOCKET_ADDRESS if settings.CONFIG.address else ""
        response.headers.setdefault(
            "Content-Security-Policy", policy(directives, sockets=sockets, upgrade=settings.CONFIG.https)
        )
        return response

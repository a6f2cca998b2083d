"""Where somebody comes from. What a header says of it is believed from proxies only that the operator has named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from domains.origin import client_address


def client(request: Any) -> str:
    """The address of a request; "" when there is none."""
    meta = request.META
    return client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), settings.PROXIES)


def of_scope(scope: Mapping[str, Any]) -> str:
    """The address of an ASGI connection."""
    peer = (scope.get("client") or [""])[0] or ""
    said = [value.decode("latin1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    return client_address(peer, ",".join(said), settings.PROXIES)

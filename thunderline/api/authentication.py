"""By what a request shows who asks: a key, a JWT or a signed token, or the session of a browser. Nobody is anonymous.

`request.auth` is the `Identity` (`domains.thundergate.access`), whichever way was tried.
"""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions

from domains.thundergate import authentication
from domains.thundergate.access import Identity
from domains.thundergate.authentication import BrowserAuthentication

__all__ = ["BearerAuthentication", "BrowserAuthentication"]


class BearerAuthentication(authentication.BearerAuthentication):
    """`Authorization: Bearer <key or token>` (docs/concepts/identities.md)."""

    def authenticate(self, request: Any) -> tuple[Any, Identity] | None:
        """The user and who that is. Raises: authentication.Refused, AuthenticationFailed."""
        found = super().authenticate(request)
        if found is None and request.headers.get("Authorization"):
            raise exceptions.AuthenticationFailed("send Authorization: Bearer and a key or token", code="token_invalid")
        return found

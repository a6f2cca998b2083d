"""Who shows a credential: a key, a JWT or a signed token, at any door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from domains.thundergate import addresses, jwts, keys, limits, tokens
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import GateError, Unauthenticated
from domains.thundergate.models import User
from domains.thundergate.tokens import AccountDisabled, Claims, TokenInvalid

REALM = "thunderline"
LONGEST = 4000
"""Characters of a header; the longest credential has some 500."""


class NoCredential(Unauthenticated):
    """Nothing was shown."""

    code = "unauthenticated"


class TooManyRefused(GateError):
    """An address has shown too many credentials that are not good."""

    code, status = "too_many_refused", 429

    def __init__(self, verdict: limits.Verdict) -> None:
        self.retry_after_s = max(1, ceil(verdict.retry_after_s))
        super().__init__(
            f"too many credentials from your address were refused; show a good one, or wait {self.retry_after_s} s"
        )


def authenticate(header: str | bytes | None, *, address: str = "") -> Identity:
    """Who an `Authorization: Bearer …` header names. One to three queries, none for what was not signed here.

    Raises: NoCredential (no header, or no bearer's), and what `identify` raises.
    """
    text = header.decode("latin1") if isinstance(header, bytes) else header or ""
    kind, _, credential = text.strip().partition(" ")
    if kind.lower() != "bearer" or not credential.strip():
        raise NoCredential("show a key or a token: Authorization: Bearer <key or token>")
    return identify(credential.strip(), address=address)


def identify(credential: str, *, address: str = "") -> Identity:
    """Who shows a key, an access token or a signed token. Raises: GateError, with what is wrong and what to do."""
    with refusals_counted(address):
        return _identified(credential, address)


@contextmanager
def refusals_counted(address: str) -> Iterator[None]:
    """Who guesses is slowed down: what is refused counts for its address. What is good is let in from there anyway.

    Raises: TooManyRefused.
    """
    try:
        yield
    except Unauthenticated as error:
        if address and not (verdict := limits.take(f"address:{address}", "refused")).allowed:
            raise TooManyRefused(verdict) from error
        raise


def _identified(credential: str, address: str) -> Identity:
    if len(credential) > LONGEST or "\0" in credential:
        raise TokenInvalid("this is not a token")
    if keys.looks_like(credential):
        claims, user = keys.read(credential)
        return Identity(user, Via.KEY, claims, address)
    if jwts.looks_like(credential):
        return _of(jwts.read(credential), Via.JWT, address)
    return _of(tokens.read(credential), Via.TOKEN, address)


def _of(claims: Claims, via: Via, address: str) -> Identity:
    user = User.objects.filter(pk=claims.user_id, is_active=True).first()
    if user is None:  # between two queries
        raise AccountDisabled("the account is disabled")
    return Identity(user, via, claims, address)


def challenge(error: GateError | None = None) -> str:
    """What `WWW-Authenticate` says (RFC 6750)."""
    if error is None or isinstance(error, NoCredential):
        return f'Bearer realm="{REALM}"'
    kind = "insufficient_scope" if error.status == 403 else "invalid_token"
    said = str(error).replace("\\", "").replace('"', "'").encode("ascii", "replace").decode()
    return f'Bearer realm="{REALM}", error="{kind}", error_description="{said}"'


class Refused(AuthenticationFailed):
    """A refusal as DRF tells it: its status, `code`, `detail` and challenge."""

    def __init__(self, error: GateError) -> None:
        APIException.__init__(self, detail=str(error), code=error.code)
        self.status_code, self.error = error.status, error
        self.auth_header = challenge(error)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key or token>`. `request.auth` is the `Identity`."""

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """None where there is no such header. Raises: Refused."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.lower().startswith("bearer"):
            return None
        try:
            identity = authenticate(header, address=addresses.client(request))
        except GateError as error:
            raise Refused(error) from error
        return identity.user, identity

    def authenticate_header(self, request: Request) -> str:
        """Makes DRF answer 401 instead of 403."""
        return challenge()


class BrowserAuthentication(SessionAuthentication):
    """Who is signed in in a browser, with CSRF's check. `request.auth` is the `Identity`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """None when nobody is signed in. Raises: PermissionDenied."""
        found = super().authenticate(request)
        if found is None:
            return None
        return found[0], Identity(found[0], Via.SESSION, address=addresses.client(request))

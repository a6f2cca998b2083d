"""`/token`: a key for a pair of JWTs, a refresh token for the next pair, and the end of them.

No session counts here, so that there is nothing to forge; who shows nothing that is known is counted by address.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, model_validator
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from domains.thundergate import addresses, authentication, jwts, tokens
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import Forbidden
from domains.thundergate.tokens import TokenError
from thunderline.api import requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import empty, reply

EXAMPLE_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiIwIn0.c2lnbmF0dXJl"  # noqa: S105
EXAMPLE = {
    "token_type": "Bearer", "access": EXAMPLE_TOKEN, "expires_in": 300, "refresh": EXAMPLE_TOKEN,
    "refresh_expires_in": 604800, "scopes": ["agents:read", "worlds:read"],
}  # fmt: skip

ShownToken = Annotated[str, Field(min_length=1, max_length=jwts.LONGEST)]
ScopeName = Annotated[str, Field(max_length=60)]


class Exchange(requests.Given):
    """`scopes`: only these of what the key may."""

    scopes: Annotated[list[ScopeName], Field(max_length=64)] | None = None


class Refreshing(requests.Given):
    """A refresh token."""

    refresh: ShownToken


def _one_of_both(schema: dict[str, Any]) -> None:
    for of in schema["properties"].values():
        del of["default"]
    schema["oneOf"] = [{"required": [name]} for name in schema["properties"]]


class Ending(requests.Given, json_schema_extra=_one_of_both):
    """A token of a session, access or refresh, or the `jti` of one."""

    token: ShownToken = ""
    jti: Annotated[str, Field(min_length=1, max_length=100)] = ""

    @model_validator(mode="after")
    def _either(self) -> Ending:
        if len(self.model_fields_set) != 1:
            raise ValueError("name either a token or a jti")
        return self


class TokenPair(BaseModel):
    """What an exchange gives; lifetimes are in seconds, and `refresh` is good once."""

    token_type: str
    access: str
    expires_in: int
    refresh: str
    refresh_expires_in: int
    scopes: list[str]


class TokenDoor(Door):
    """What the three have in common."""

    authentication_classes: ClassVar[tuple[Any, ...]] = ()
    permission_classes: ClassVar[list[type[BasePermission]]] = []

    def who(self, request: Request) -> Identity:
        """Who shows a credential. Raises: GateError."""
        header = request.META.get("HTTP_AUTHORIZATION")
        return authentication.authenticate(header, address=addresses.client(request))


class Begin(TokenDoor):
    @operation(
        "token_exchange", "Exchange a key for tokens", tag="tokens", body=Exchange, answer=TokenPair,
        sends={"scopes": ["agents:read", "worlds:read"]}, shows=EXAMPLE, shown=True,
    )  # fmt: skip
    def post(self, request: Request, body: Exchange) -> Response:
        """A key is shown as a bearer's credential. What the tokens may is what it may, or less."""
        identity = self.who(request)
        if identity.via is not Via.KEY or identity.claims is None:
            raise Forbidden("only keys are exchanged for tokens; refresh at /api/v1/token/refresh")
        return _told(jwts.exchange(identity.claims, wanted=body.scopes, by=identity.actor))


class Refresh(TokenDoor):
    @operation(
        "token_refresh", "Refresh tokens", tag="tokens", body=Refreshing, answer=TokenPair,
        sends={"refresh": EXAMPLE_TOKEN}, shows=EXAMPLE,
    )  # fmt: skip
    def post(self, request: Request, body: Refreshing) -> Response:
        """The refresh token is good for nothing afterwards; shown once more, it ends its session."""
        with authentication.refusals_counted(addresses.client(request)):
            return _told(jwts.refresh(body.refresh))


class Revoke(TokenDoor):
    @operation(
        "token_revoke", "End a session", tag="tokens", body=Ending, status=204, sends={"token": EXAMPLE_TOKEN},
        errors=[404], shown=True,
    )  # fmt: skip
    def post(self, request: Request, body: Ending) -> Response:
        """Who has a token may end its session, and needs to show nothing else; by `jti`, its owner may (RFC 7009).

        204 also for one that is over already.
        """
        if body.jti:
            identity = self.who(request)
            session, by = jwts.session_of_jti(body.jti), identity.actor
            if not tokens.issued(ids=[session], user_id=identity.user.pk).exists():
                raise tokens.TokenNotFound("no token of yours is known by this jti")
        else:
            try:
                session, by = jwts.session_of(body.token), "token"
            except TokenError:
                return empty()
        if tokens.issued(ids=[session]).exists():
            tokens.revoke([session], by=by, reason="ended by who had it")
        return empty()


def _told(pair: jwts.Pair) -> Response:
    return reply(TokenPair(
        token_type="Bearer",  # noqa: S106
        access=pair.access, expires_in=pair.access_s, refresh=pair.refresh,
        refresh_expires_in=pair.refresh_s, scopes=list(pair.scopes),
    ))  # fmt: skip

"""Short-lived JWTs in exchange for keys, and what they are refreshed with.

One exchange begins a session: a row of `access_tokens`, which is what revoking ends, so that no list of single tokens
grows. An access token is good for minutes, a refresh token for days and once only: each refresh counts the session's
generation up; a refresh token of an older one was seen by two, and the session ends for both (RFC 9700, 4.14.2).
Signing and checking is simplejwt's; algorithm, audience and issuer are fixed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import ExpiredTokenError
from rest_framework_simplejwt.exceptions import TokenError as JWTError
from rest_framework_simplejwt.tokens import Token

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish
from domains.thundergate import events, scopes, secrets, standing, tokens
from domains.thundergate.errors import Forbidden
from domains.thundergate.tokens import AccountDisabled, Claims, TokenError, TokenExpired, TokenInvalid, TokenRevoked

ALGORITHM, AUDIENCE, ISSUER = "HS256", "thunderline", "thunderline"
ACCESS_S, REFRESH_S = 300, 7 * 86_400
LONGEST = 2000
"""Characters; ours have some 400."""
MOST_SESSIONS = 100
"""Good sessions of one key; beginning another ends the oldest."""

BEGIN = """
INSERT INTO access_tokens (id, user_id, key_id, scopes, agent_id, generation, issued_at, expires_at, revoked_by, reason)
SELECT %(id)s, u.id, k.id, %(scopes)s::varchar[], %(agent)s::uuid, 0, statement_timestamp(),
       least(k.expires_at, statement_timestamp() + make_interval(secs => %(ttl)s)), '', ''
FROM api_keys k JOIN users u ON u.id = k.owner_id
WHERE k.id = %(key)s AND k.revoked_at IS NULL AND u.is_active FOR SHARE OF k
RETURNING expires_at, extract(epoch FROM expires_at - issued_at)
"""

# Only who knows the latest generation counts it up: of two who come with the same token, one.
NEXT = """
UPDATE access_tokens SET generation = generation + 1
WHERE id = %s AND generation = %s AND revoked_at IS NULL
RETURNING generation, extract(epoch FROM expires_at - statement_timestamp())
"""

TOO_MANY = """
SELECT id FROM access_tokens WHERE key_id = %s AND revoked_at IS NULL AND expires_at > statement_timestamp()
ORDER BY issued_at DESC, id DESC OFFSET %s
"""


class TokenReplayed(TokenError):
    """A refresh token came a second time: somebody else may have it, and its session was ended."""

    code = "token_replayed"


class _Token(Token):
    def get_token_backend(self) -> TokenBackend:
        return _backend()


class Access(_Token):
    """Opens doors for a few minutes."""

    token_type, lifetime = "access", timedelta(seconds=ACCESS_S)


class Refresh(_Token):
    """Is given once for a new pair."""

    token_type, lifetime = "refresh", timedelta(seconds=REFRESH_S)


@dataclass(frozen=True, slots=True)
class Pair:
    """What an exchange gives; lifetimes are in seconds."""

    access: str
    refresh: str
    access_s: int
    refresh_s: int
    scopes: tuple[str, ...]


def exchange(claims: Claims, *, wanted: list[str] | None = None, by: str) -> Pair:
    """Begin a session for a key that was just read, for all that it may or for less. Raises: Invalid, Forbidden,
    TokenRevoked."""
    if claims.key_id != claims.id or claims.scopes is None:
        raise Forbidden("only keys are exchanged for tokens")
    granted = tuple(scopes.parse(wanted)) if wanted is not None else claims.scopes
    if more := [scope for scope in granted if not scopes.covers(claims.scopes, scope)]:
        raise Forbidden(f"scopes: the key has not {', '.join(more)}", field="scopes")
    session = new_id()
    values = {"id": session, "key": claims.key_id, "scopes": list(granted), "agent": claims.agent_id, "ttl": REFRESH_S}
    with transaction.atomic():
        rows = sql.fetch_rows(BEGIN, values)
        if not rows:
            raise TokenRevoked("the key was revoked meanwhile")
        payload = events.TokenIssued(
            token_id=session, user_id=claims.user_id, agent_id=claims.agent_id, expires_at=rows[0][0]
        )
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))
        if old := [row[0] for row in sql.fetch_rows(TOO_MANY, [claims.key_id, MOST_SESSIONS])]:
            tokens.revoke(old, by=by, reason=f"the key has {MOST_SESSIONS} newer sessions")
    return _pair(session, 0, rows[0][1], claims.user_id, granted)


def read(token: str) -> Claims:
    """What an access token says, if it and its session are good at this moment. One query; none for a forged one.

    Raises: TokenInvalid, TokenExpired, TokenRevoked, AccountDisabled, AgentResting.
    """
    session, _ = _opened(token, Access)
    claims = _known(session)
    standing.check(claims.agent_id)
    return claims


def refresh(token: str) -> Pair:
    """A new pair for a refresh token, which is good for nothing from then on.

    Raises: TokenReplayed (its session is ended), and what `read` raises.
    """
    session, generation = _opened(token, Refresh)
    claims = _known(session)
    standing.check(claims.agent_id)
    rows = sql.fetch_rows(NEXT, [session, generation])
    if not rows:
        tokens.revoke([session], by=f"token:{session}", reason="a refresh token was used twice")
        raise TokenReplayed("this refresh token was used before: its session has ended, exchange your key again")
    return _pair(session, rows[0][0], rows[0][1], claims.user_id, claims.scopes or ())


def session_of(token: str) -> UUID:
    """The session of an access or refresh token that was signed here and has not expired. Raises: TokenInvalid,
    TokenExpired."""
    try:
        return _opened(token, Access)[0]
    except TokenInvalid:
        return _opened(token, Refresh)[0]


def session_of_jti(jti: str) -> UUID:
    """The session of a token by its `jti`. Raises: TokenInvalid."""
    try:
        return UUID(jti.partition("-")[0])
    except (ValueError, AttributeError):
        raise TokenInvalid("there is no token of this jti") from None


def looks_like(text: object) -> bool:
    """Whether something is meant as a JWT."""
    return isinstance(text, str) and text.count(".") == 2


def _known(session: UUID) -> Claims:
    claims = tokens.known(session)
    if claims is None:
        raise TokenInvalid("the token's session is not known here")
    return claims


def _opened(token: object, kind: type[_Token]) -> tuple[UUID, int]:
    """Session and generation of a token whose signature, algorithm, audience, issuer, kind and time fit."""
    if not isinstance(token, str) or len(token) > LONGEST or not token.isascii():
        raise TokenInvalid("this is not a token")
    try:
        opened = kind(token)  # type: ignore[arg-type]
    except ExpiredTokenError as error:
        raise TokenExpired("the token has expired; refresh it or exchange your key again") from error
    except JWTError as error:
        raise TokenInvalid(f"this is no {kind.token_type} token that was signed here for {AUDIENCE}") from error
    try:
        session, generation, _ = str(opened.payload.get("jti")).split("-")
        return UUID(session), int(generation)
    except ValueError:
        raise TokenInvalid("this is not a token of ours") from None


def _pair(session: UUID, generation: int, left_s: Any, user_id: UUID, granted: tuple[str, ...]) -> Pair:
    left = max(1, int(left_s))
    access_s, refresh_s = min(ACCESS_S, left), left
    made = [_made(kind, session, generation, user_id, lasts) for kind, lasts in ((Access, access_s), (Refresh, left))]
    return Pair(made[0], made[1], access_s, refresh_s, granted)


def _made(kind: type[_Token], session: UUID, generation: int, user_id: UUID, lasts_s: int) -> str:
    token = kind()
    token.set_exp(lifetime=timedelta(seconds=lasts_s))
    token["jti"], token["sub"] = f"{session.hex}-{generation}-{kind.token_type}", str(user_id)
    return str(token)


def _backend() -> TokenBackend:
    key = settings.JWT_KEY or secrets.derived("thundergate.jwts")[0].hex()
    return _backend_of(key)


@lru_cache(maxsize=8)
def _backend_of(key: str) -> TokenBackend:
    return TokenBackend(ALGORITHM, signing_key=key, audience=AUDIENCE, issuer=ISSUER)


__all__ = ["AccountDisabled", "Pair", "TokenReplayed", "exchange", "looks_like", "read", "refresh", "session_of"]

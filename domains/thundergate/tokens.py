"""Short-lived signed tokens, with which sockets and programs act as a user.

A token is `<id>-<expiry>.<signature>`, made of letters that need no quoting in headers and addresses. Nothing but its
id and expiry is in it: whose it is, and whether it is still good, says its row. The token itself is kept nowhere and
told to nobody but who asked for it. All instants are the database's, so that processes agree.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thundergate import events
from domains.thundergate.errors import Unauthenticated
from domains.thundergate.models import AccessToken, User

SALT = "thundergate.tokens"
USUAL_TTL_S, MAX_TTL_S = 3600.0, 24 * 3600.0
LONGEST = 200
"""Characters; a token has half as many."""
KEPT_DAYS = 7
"""How long rows of expired tokens are kept for operators."""

_CONTENT = re.compile(r"([0-9a-f]{32})-([0-9]{1,11})")

ISSUE = """
INSERT INTO access_tokens (id, user_id, agent_id, issued_at, expires_at, revoked_by, reason)
SELECT %(id)s, u.id, %(agent)s::uuid, statement_timestamp(),
       statement_timestamp() + make_interval(secs => %(ttl)s), '', ''
FROM users u WHERE u.id = %(user)s AND u.is_active
RETURNING expires_at
"""

# Locked in the order of ids, as two revocations may meet.
REVOKE = """
WITH locked AS (
    SELECT id FROM access_tokens WHERE id = ANY(%s) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE
)
UPDATE access_tokens t SET revoked_at = statement_timestamp(), revoked_by = %s, reason = %s
FROM locked WHERE t.id = locked.id RETURNING t.id, t.user_id, t.agent_id
"""

GOOD = """
SELECT id FROM access_tokens
WHERE (%(user)s::uuid IS NULL OR user_id = %(user)s) AND (%(agents)s::uuid[] IS NULL OR agent_id = ANY(%(agents)s))
  AND (%(key)s::uuid IS NULL OR key_id = %(key)s) AND revoked_at IS NULL AND expires_at > statement_timestamp()
"""

STILL = """
SELECT t.id FROM access_tokens t LEFT JOIN api_keys k ON k.id = t.key_id
WHERE t.id = ANY(%(ids)s) AND t.revoked_at IS NULL AND t.expires_at > statement_timestamp()
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp())
UNION ALL
SELECT id FROM api_keys
WHERE id = ANY(%(ids)s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
"""

SWEEP = "DELETE FROM access_tokens WHERE expires_at < statement_timestamp() - make_interval(days => %s)"


class TokenError(Unauthenticated):
    """Base of the refusals of tokens. `code` is stable; the message helps."""

    code = "token_error"


class TokenInvalid(TokenError):
    """It is no token, or none of this installation's."""

    code = "token_invalid"


class TokenExpired(TokenError):
    """Its time is over: a new one will do."""

    code = "token_expired"


class TokenRevoked(TokenError):
    """Somebody ended it before its time."""

    code = "token_revoked"


class AccountDisabled(TokenError):
    """Its user may not sign in any more."""

    code = "account_disabled"


class TokenNotFound(TokenError):
    """No token of that id is known (any more)."""

    code, status = "token_not_found", 404


class BadLifetime(TokenError):
    """A token lives for more than nothing and at most a day."""

    code, status = "invalid_payload", 400


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good credential says: a signed token, a JWT or a key. Instants are UTC.

    `id` is the token's, the session's of a JWT, or the key's. `agent_id` is the agent that it speaks for; None: for its
    user. `scopes`: None is all that its user may. `expires_at`: None is never.
    """

    id: UUID
    user_id: UUID
    agent_id: UUID | None
    issued_at: datetime
    expires_at: datetime | None
    key_id: UUID | None = None
    scopes: tuple[str, ...] | None = None


CLAIMS = ("id", "user_id", "agent_id", "issued_at", "expires_at", "key_id", "scopes")


def issue(user: User, *, agent_id: UUID | None = None, ttl_s: float = USUAL_TTL_S, by: str) -> str:
    """Make a token that is good for `ttl_s` seconds. Returns it; nobody can read it again.

    Whether the user may act for the agent is the caller's to check. Raises: BadLifetime, AccountDisabled.
    """
    if not 0 < ttl_s <= MAX_TTL_S:
        raise BadLifetime(f"a token lives for more than 0 and at most {MAX_TTL_S:,.0f} seconds, not {ttl_s}")
    token_id = new_id()
    with transaction.atomic():
        rows = sql.fetch_rows(ISSUE, {"id": token_id, "agent": agent_id, "ttl": ttl_s, "user": user.pk})
        if not rows:
            raise AccountDisabled(f"the account {user.get_username()} is disabled")
        expires_at = rows[0][0]
        payload = events.TokenIssued(token_id=token_id, user_id=user.pk, agent_id=agent_id, expires_at=expires_at)
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))
    return _signer().sign(f"{token_id.hex}-{math.ceil(expires_at.timestamp())}")


def read(token: str) -> Claims:
    """What a token says, if it is good at this moment. One query; none for what was not signed here.

    Raises: TokenInvalid, TokenRevoked, AccountDisabled, TokenExpired.
    """
    token_id, expires_s = _opened(token)
    claims = known(token_id)
    if claims is None and expires_s <= time.time():
        raise TokenExpired("the token has expired; ask for a new one")
    if claims is None:
        raise TokenInvalid("the token is not known here")
    return claims


def known(token_id: UUID) -> Claims | None:
    """What is known of a token or session that is good at this moment; None when it is not known. One query.

    Raises: TokenRevoked, AccountDisabled, TokenExpired.
    """
    row: Any = (
        AccessToken.objects.filter(pk=token_id)
        .values_list(*CLAIMS, "revoked_at", "user__is_active", "key__revoked_at", "key__expires_at", Now())
        .first()
    )
    if row is None:
        return None
    *fields, scopes, revoked_at, active, key_revoked_at, key_expires_at, now = row
    if revoked_at is not None:
        raise TokenRevoked("the token was revoked")
    if key_revoked_at is not None:
        raise TokenRevoked("the key that it was given for was revoked")
    if not active:
        raise AccountDisabled("the account is disabled")
    claims = Claims(**dict(zip(CLAIMS, fields, strict=False)), scopes=None if scopes is None else tuple(scopes))
    if (claims.expires_at is not None and claims.expires_at <= now) or (key_expires_at and key_expires_at <= now):
        raise TokenExpired("the token has expired; ask for a new one")
    return claims


def id_of(token: str) -> UUID:
    """The id of a token that was signed here, good or not. No query. Raises: TokenInvalid."""
    return _opened(token)[0]


def _opened(token: object) -> tuple[UUID, int]:
    """Its id, and when it expires in seconds since 1970. From outside comes anything."""
    if not isinstance(token, str) or len(token) > LONGEST or not token.isascii():
        raise TokenInvalid("this is not a token")
    try:
        found = _CONTENT.fullmatch(_signer().unsign(token))
    except signing.BadSignature:
        raise TokenInvalid("the token was not signed here") from None
    if found is None:
        raise TokenInvalid("this is not a token")
    return UUID(found[1]), int(found[2])


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt=SALT)


def revoke(ids: Iterable[UUID], *, by: str, reason: str) -> list[UUID]:
    """End tokens before their time. Returns those that were not revoked before, by id; each tells its event.

    Raises: TokenNotFound; nothing is revoked then.
    """
    wanted = set(ids)
    with transaction.atomic():
        if missing := wanted - set(AccessToken.objects.filter(pk__in=wanted).values_list("pk", flat=True)):
            raise TokenNotFound(f"no token is known by the id {', '.join(sorted(map(str, missing)))}")
        return _revoke(wanted, by, reason)


def revoke_all(
    *, user_id: UUID | None = None, agent_id: UUID | None = None, key_id: UUID | None = None, by: str, reason: str
) -> list[UUID]:
    """End all good tokens and sessions of a user, for an agent, of a key, or of what is given of these together.

    Returns which, by id. Raises: ValueError when nothing is given: that would be everybody's.
    """
    if user_id is None and agent_id is None and key_id is None:
        raise ValueError("revoke_all needs a user, an agent or a key")
    return _revoke_found(user_id, None if agent_id is None else [agent_id], key_id, by, reason)


def revoke_of_agents(agent_ids: Collection[UUID], *, by: str, reason: str) -> list[UUID]:
    """End all good tokens and sessions that speak for these agents. Returns which, by id."""
    return _revoke_found(None, list(agent_ids), None, by, reason)


def _revoke_found(
    user_id: UUID | None, agent_ids: list[UUID] | None, key_id: UUID | None, by: str, reason: str
) -> list[UUID]:
    wanted = {"user": user_id, "agents": agent_ids, "key": key_id}
    with transaction.atomic():
        return _revoke({row[0] for row in sql.fetch_rows(GOOD, wanted)}, by, reason)


def _revoke(ids: Collection[UUID], by: str, reason: str) -> list[UUID]:
    rows = sorted(sql.fetch_rows(REVOKE, [sql.Ids(ids), by, reason])) if ids else []
    payloads = [events.TokenRevoked(token_id=id_, user_id=u, agent_id=a, reason=reason) for id_, u, a in rows]
    publish_many([NewEvent(events.STREAM, payload.topic, payload, actor=by) for payload in payloads])
    return [row[0] for row in rows]


def no_longer(token_ids: Collection[UUID], user_ids: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Which of these tokens, sessions and keys are revoked, expired or unknown, and which users disabled or deleted.

    One query each, none for what is empty: cheap enough to be asked once a second for all that are connected.
    """
    good, active = set(), set()
    if token_ids:
        good = {row[0] for row in sql.fetch_rows(STILL, {"ids": sql.Ids(token_ids)})}
    if user_ids:
        active = set(User.objects.filter(pk__in=user_ids, is_active=True).values_list("pk", flat=True))
    return set(token_ids) - good, set(user_ids) - active


def issued(
    *,
    ids: Collection[UUID] | None = None,
    user_id: UUID | None = None,
    agent_id: UUID | None = None,
    good: bool = False,
) -> QuerySet[AccessToken]:
    """What is known of tokens, with their users, newest first; `good` leaves out what is revoked or expired."""
    rows = AccessToken.objects.select_related("user")
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if agent_id is not None:
        rows = rows.filter(agent_id=agent_id)
    return rows.filter(revoked_at=None, expires_at__gt=timezone.now()) if good else rows


def sweep() -> int:
    """Delete the rows of tokens that expired more than a week ago. Returns how many."""
    return sql.execute(SWEEP, [KEPT_DAYS])

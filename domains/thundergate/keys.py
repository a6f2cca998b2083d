"""API keys: what a program shows to act as its owner, for some uses only.

A key is `tlk_<prefix>_<secret>`. The prefix tells keys apart and may be seen; the secret has 256 bits, is told once,
and is kept as a keyed digest only: with so many bits there is nothing to be guessed, so the digest may be a fast one.
All instants are the database's.
"""

from __future__ import annotations

import hmac
import re
import secrets as random
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thundergate import events, scopes, secrets, standing, tokens
from domains.thundergate.errors import Invalid, KeyExpired, KeyInvalid, KeyRevoked, NotFound
from domains.thundergate.models import ApiKey, User
from domains.thundergate.tokens import AccountDisabled, Claims

MARK = "tlk_"
USE = "thundergate.keys"
USED_EVERY_S = 60
"""How exactly it is known when a key was last used."""
MOST_DAYS = 3660
LONGEST_NAME = 100

_FORM = re.compile(r"tlk_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

ISSUE = """
INSERT INTO api_keys (id, prefix, digest, name, owner_id, scopes, agent_id, created_at, expires_at, revoked_by, reason)
SELECT %(id)s, %(prefix)s, %(digest)s, %(name)s, u.id, %(scopes)s, %(agent)s::uuid, statement_timestamp(),
       coalesce(%(until)s::timestamptz, statement_timestamp() + make_interval(secs => %(ttl)s)), '', ''
FROM users u WHERE u.id = %(owner)s AND u.is_active
RETURNING expires_at
"""

# Locked in the order of ids, as two revocations may meet.
REVOKE = """
WITH locked AS (
    SELECT id FROM api_keys WHERE id = ANY(%s) AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE
)
UPDATE api_keys k SET revoked_at = statement_timestamp(), revoked_by = %s, reason = %s
FROM locked WHERE k.id = locked.id RETURNING k.id, k.prefix, k.owner_id, k.agent_id
"""

USED = """
UPDATE api_keys SET last_used_at = statement_timestamp()
WHERE id = %s AND (last_used_at IS NULL OR last_used_at < statement_timestamp() - make_interval(secs => %s))
"""


class Issued(NamedTuple):
    """A new key. `secret` is the whole of it, told this once."""

    id: UUID
    prefix: str
    secret: str
    expires_at: datetime | None


def issue(
    owner: User, *, name: str, scopes: Iterable[str], agent_id: UUID | None = None, days: float | None = None, by: str
) -> Issued:
    """Make a key that is good for so many days; None: until it is revoked.

    Whether the owner may act for the agent is the caller's to check. Raises: Invalid, AccountDisabled.
    """
    if days is not None and not 0 < days <= MOST_DAYS:
        raise Invalid(f"days: a key lives for more than 0 and at most {MOST_DAYS:,} days", field="days")
    with transaction.atomic():
        return _issue(owner, name, list(scopes), agent_id, by, ttl_s=None if days is None else days * 86_400)


def _issue(
    owner: User, name: str, wanted: list[str], agent_id: UUID | None, by: str, *, ttl_s: float | None = None,
    until: datetime | None = None, replaces: UUID | None = None,
) -> Issued:  # fmt: skip
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid(f"name: 1 to {LONGEST_NAME} characters that can be printed", field="name")
    key_id, prefix = new_id(), "".join(random.choice(_LETTERS) for _ in range(10))
    secret, granted = random.token_urlsafe(32), scopes.parse(wanted)
    values = {
        "id": key_id, "prefix": prefix, "digest": _digests(secret)[0], "name": name, "scopes": granted,
        "agent": agent_id, "until": until, "ttl": ttl_s, "owner": owner.pk,
    }  # fmt: skip
    rows = sql.fetch_rows(ISSUE, values)
    if not rows:
        raise AccountDisabled(f"the account {owner.get_username()} is disabled")
    payload = events.KeyIssued(
        key_id=key_id, prefix=prefix, user_id=owner.pk, agent_id=agent_id, scopes=granted, expires_at=rows[0][0],
        replaces=replaces,
    )  # fmt: skip
    publish_many([NewEvent(events.STREAM, payload.topic, payload, actor=by)])
    return Issued(key_id, prefix, f"{MARK}{prefix}_{secret}", rows[0][0])


def looks_like(text: object) -> bool:
    """Whether something is meant as a key."""
    return isinstance(text, str) and text.startswith(MARK)


def read(key: str) -> tuple[Claims, User]:
    """Whose a key is and what it is for, if it is good at this moment. One query, and a write at most once a minute.

    Raises: KeyInvalid, KeyRevoked, AccountDisabled, KeyExpired, AgentResting.
    """
    found = _FORM.fullmatch(key) if isinstance(key, str) else None
    if found is None:
        raise KeyInvalid("this is not a key: they look like tlk_<prefix>_<secret>")
    row = ApiKey.objects.select_related("owner").annotate(now=Now()).filter(prefix=found[1]).first()
    digests = _digests(found[2])
    if row is None or not any(hmac.compare_digest(row.digest, digest) for digest in digests):
        raise KeyInvalid("the key is not known here")
    if row.revoked_at is not None:
        raise KeyRevoked("the key was revoked; ask its owner for a new one")
    if not row.owner.is_active:
        raise AccountDisabled("the account of the key's owner is disabled")
    now: datetime = row.now
    if row.expires_at is not None and row.expires_at <= now:
        raise KeyExpired("the key has expired; ask its owner for a new one")
    standing.check(row.agent_id)
    if row.last_used_at is None or (now - row.last_used_at).total_seconds() > USED_EVERY_S:
        sql.execute(USED, [row.pk, USED_EVERY_S])
    claims = Claims(
        row.pk, row.owner_id, row.agent_id, row.created_at, row.expires_at, key_id=row.pk, scopes=tuple(row.scopes)
    )
    return claims, row.owner


def revoke(ids: Iterable[UUID], *, by: str, reason: str) -> list[UUID]:
    """End keys, and all that they were exchanged for. Returns those that were not revoked before, by id.

    Raises: NotFound; nothing is revoked then.
    """
    wanted = set(ids)
    with transaction.atomic():
        if missing := wanted - set(ApiKey.objects.filter(pk__in=wanted).values_list("pk", flat=True)):
            raise NotFound(f"no key is known by the id {', '.join(sorted(map(str, missing)))}")
        return _revoke(wanted, by, reason)


def revoke_all(*, user_id: UUID, by: str, reason: str) -> list[UUID]:
    """End all keys of a user that are not revoked, and all they were exchanged for. Returns which, by id."""
    with transaction.atomic():
        rows = ApiKey.objects.filter(owner_id=user_id, revoked_at=None)
        return _revoke(set(rows.values_list("pk", flat=True)), by, reason)


def _revoke(ids: Collection[UUID], by: str, reason: str) -> list[UUID]:
    rows = sorted(sql.fetch_rows(REVOKE, [sql.Ids(ids), by, reason])) if ids else []
    told = [
        events.KeyRevoked(key_id=id_, prefix=prefix, user_id=owner, agent_id=agent, reason=reason)
        for id_, prefix, owner, agent in rows
    ]
    publish_many([NewEvent(events.STREAM, payload.topic, payload, actor=by) for payload in told])
    for row in rows:
        tokens.revoke_all(key_id=row[0], by=by, reason="its key was revoked")
    return [row[0] for row in rows]


def rotate(key_id: UUID, *, by: str) -> Issued:
    """Put a new key in the place of one, for the same uses until the same instant; the old one ends at once.

    Raises: NotFound, KeyRevoked, KeyExpired, AccountDisabled.
    """
    with transaction.atomic():
        rows = ApiKey.objects.select_related("owner").annotate(now=Now())
        row = rows.select_for_update(of=("self",), no_key=True).filter(pk=key_id).first()
        if row is None:
            raise NotFound(f"no key is known by the id {key_id}")
        if row.revoked_at is not None:
            raise KeyRevoked("the key was revoked: issue a new one")
        if row.expires_at is not None and row.expires_at <= row.now:
            raise KeyExpired("the key has expired: issue a new one")
        _revoke({key_id}, by, "rotated")
        return _issue(row.owner, row.name, row.scopes, row.agent_id, by, until=row.expires_at, replaces=key_id)


def issued(*, user_id: UUID | None = None, ids: Collection[UUID] | None = None, good: bool = False) -> QuerySet[ApiKey]:
    """What is known of keys, with their owners, newest first; `good` leaves out what is revoked or expired."""
    rows = ApiKey.objects.select_related("owner")
    if user_id is not None:
        rows = rows.filter(owner_id=user_id)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    return rows.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None) if good else rows


def _digests(secret: str) -> list[str]:
    """Under today's signing key, and under those that it replaced."""
    return [hmac.digest(key, secret.encode(), "sha256").hex() for key in secrets.derived(USE)]

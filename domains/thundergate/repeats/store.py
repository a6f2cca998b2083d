"""What was done under which key, and what was answered.

The answer is kept in the transaction of what was done, under a lock of the key: whatever process is killed at whatever
moment, there are both or neither. What was refused leaves nothing behind, and may be mended and sent again under the
same key. What commits by itself on its way cannot have that: its key is taken before it begins (`once_begun`), and when
it breaks off nobody does it again. Keys are each user's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from django.db import transaction

from domains import sql
from domains.thundergate.errors import GateError
from domains.thundergate.repeats.models import BEGUN

KEPT_S = 24 * 3600
SWEPT_AT_ONCE = 100
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
T = TypeVar("T")

# Two numbers: the event log goes by the locks that have one (`event_settled`). That two keys share one by chance only
# makes one of them wait.
LOCK = "SELECT pg_try_advisory_xact_lock(1163284302, hashtext(%s))"
WAIT = "SELECT pg_advisory_xact_lock(1163284302, hashtext(%s))"

KNOWN = """
SELECT fingerprint, status, headers, body FROM repeatable_requests
WHERE user_id = %s AND key = %s AND expires_at > statement_timestamp()
"""

KEEP = """
INSERT INTO repeatable_requests (user_id, key, fingerprint, status, headers, body, inserted_at, expires_at)
VALUES (%(user)s, %(key)s, %(fingerprint)s, %(status)s, %(headers)s, %(body)s, statement_timestamp(),
        statement_timestamp() + make_interval(secs => %(kept)s))
ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    headers = excluded.headers, body = excluded.body, inserted_at = excluded.inserted_at,
    expires_at = excluded.expires_at
"""

FORGET = "DELETE FROM repeatable_requests WHERE user_id = %s AND key = %s"

SWEEP = """
DELETE FROM repeatable_requests WHERE id IN (
    SELECT id FROM repeatable_requests WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""


class UnderWay(GateError):
    """The same is being done at this moment."""

    code, status = "in_progress", 409


class Broken(GateError):
    """It was begun under this key, and nobody knows what came of it."""

    code, status = "outcome_unknown", 409


class KeyReused(GateError):
    """The key came with something else before."""

    code, status = "key_reused", 422


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. `status` is HTTP's, 200 to 399."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def is_key(key: str) -> bool:
    """Whether it can be one."""
    return _KEY.fullmatch(key) is not None


def fingerprint(*parts: object) -> bytes:
    """Of what is asked, part by part."""
    said = b"\0".join(part if isinstance(part, bytes) else str(part).encode("utf-8", "replace") for part in parts)
    return sha256(said).digest()


def once(
    user_id: Any, key: str, asked: bytes, act: Callable[[], T], *, keep: Callable[[T], Answer | None],
    again: Callable[[Answer], T], wait: bool = False,
) -> T:  # fmt: skip
    """Do it in a transaction, unless the same was done under its key; then say what was said then.

    `keep` makes of what came the answer to be kept: None, when it was refused. `again` makes of a kept answer what
    comes. `wait`: for the same that is under way. Raises: UnderWay (without `wait`), KeyReused.
    """
    with transaction.atomic():
        before = _known(user_id, key, asked, wait=wait)
        if before is not None:
            return again(before)
        found = act()
        if (answer := keep(found)) is not None:
            _keep(user_id, key, asked, answer)
    return found


def once_begun(
    user_id: Any, key: str, asked: bytes, act: Callable[[], T], *, keep: Callable[[T], Answer | None],
    again: Callable[[Answer], T],
) -> T:  # fmt: skip
    """The same for what opens transactions of its own, in none. Raises: UnderWay, Broken, KeyReused."""
    with transaction.atomic():
        before = _known(user_id, key, asked)
        if before is None:
            _keep(user_id, key, asked, Answer(BEGUN))
    if before is not None and before.status == BEGUN:
        raise Broken("this was begun under its key and has not ended: look whether it was done; do not send it again")
    if before is not None:
        return again(before)
    found = act()
    with transaction.atomic():
        if (answer := keep(found)) is None:
            sql.execute(FORGET, [user_id, key])
        else:
            _keep(user_id, key, asked, answer)
    return found


def _known(user_id: Any, key: str, asked: bytes, *, wait: bool = False) -> Answer | None:
    """What was kept, if it is the same; from here on until the transaction's end, nobody else uses the key."""
    if wait:
        sql.fetch_rows(WAIT, [f"{user_id}:{key}"])
    elif not sql.fetch_rows(LOCK, [f"{user_id}:{key}"])[0][0]:
        raise UnderWay("a request with this key is under way; try again in a moment")
    rows = sql.fetch_rows(KNOWN, [user_id, key])
    if not rows:
        return None
    was, status, headers, body = rows[0]
    if bytes(was) != asked:
        raise KeyReused("this key came with another request before; take a new one for a new request")
    return Answer(status, body, headers)


def _keep(user_id: Any, key: str, asked: bytes, answer: Answer) -> None:
    values = {
        "user": user_id, "key": key, "fingerprint": asked, "status": answer.status,
        "headers": sql.jsonb(dict(answer.headers)), "body": answer.body, "kept": KEPT_S,
    }  # fmt: skip
    sql.execute(KEEP, values)
    sql.execute(SWEEP, [SWEPT_AT_ONCE])

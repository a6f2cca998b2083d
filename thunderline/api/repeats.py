"""`Idempotency-Key`: a create that is sent again, after a line broke, is done once and answered twice.

The reply is kept in the transaction of what was created, under a lock of the key: whatever process is killed at
whatever moment, there are both or neither. A request that was refused leaves nothing behind, and may be mended and
sent again under the same key. Keys are each user's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from django.db import transaction
from rest_framework.response import Response

from domains import sql
from thunderline.api import problems, requests
from thunderline.api.replies import reply, written

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_S = 24 * 3600
SWEPT_AT_ONCE = 100
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("Location", "ETag")

# Two numbers: the event log goes by the locks that have one (`event_settled`). That two keys share one by chance only
# makes one of them try again.
LOCK = "SELECT pg_try_advisory_xact_lock(1163284302, hashtext(%s))"

KNOWN = """
SELECT fingerprint, status, headers, body FROM api_repeatable_requests
WHERE user_id = %s AND key = %s AND expires_at > statement_timestamp()
"""

KEEP = """
INSERT INTO api_repeatable_requests (user_id, key, fingerprint, status, headers, body, inserted_at, expires_at)
VALUES (%(user)s, %(key)s, %(fingerprint)s, %(status)s, %(headers)s, %(body)s, statement_timestamp(),
        statement_timestamp() + make_interval(secs => %(kept)s))
ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    headers = excluded.headers, body = excluded.body, inserted_at = excluded.inserted_at,
    expires_at = excluded.expires_at
"""

SWEEP = """
DELETE FROM api_repeatable_requests WHERE id IN (
    SELECT id FROM api_repeatable_requests WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""


def once(request: Any, act: Callable[[], Response]) -> Response:
    """Do it, unless the same was done under its key; then answer as then, with the header `Idempotency-Replayed`.

    Raises: problems.Refused: 400 for a key that is none, 409 while the same key is under way, 422 when it came with
    something else before.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    if not _KEY.fullmatch(key):
        raise problems.misfit(HEADER, "1 to 255 printable ASCII characters without blanks")
    fingerprint = _fingerprint(request)
    with transaction.atomic():
        if not sql.fetch_rows(LOCK, [f"{request.user.pk}:{key}"])[0][0]:
            raise problems.Refused(
                409, "in_progress", "a request with this Idempotency-Key is under way; try again in a moment",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        known = sql.fetch_rows(KNOWN, [request.user.pk, key])
        if known:
            return _again(fingerprint, *known[0])
        response = act()
        _keep(request.user.pk, key, fingerprint, response)
    return response


def _fingerprint(request: Any) -> bytes:
    """Of what is asked, and for whom: what speaks for one agent is not told what its owner did."""
    agent = f" {request.auth.agent_id}" if request.auth.agent_id else ""
    said = f"{request.method} {request.get_full_path()}{agent}\n".encode("utf-8", "surrogateescape")
    return sha256(said + requests.raw(request)).digest()


def _again(fingerprint: bytes, was: bytes, status: int, headers: Mapping[str, str], body: str) -> Response:
    if bytes(was) != fingerprint:
        raise problems.Refused(
            422, "key_reused", "this Idempotency-Key came with another request before; take a new one for a new request"
        )
    return reply(body.encode(), status=status, headers={**headers, REPLAYED: "true"})


def _keep(user_id: Any, key: str, fingerprint: bytes, response: Response) -> None:
    headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    values = {
        "user": user_id, "key": key, "fingerprint": fingerprint, "status": response.status_code,
        "headers": sql.jsonb(headers), "body": written(response.data).decode(), "kept": KEPT_S,
    }  # fmt: skip
    sql.execute(KEEP, values)
    sql.execute(SWEEP, [SWEPT_AT_ONCE])

"""`Idempotency-Key`: a create that is sent again, after a line broke, is done once and answered twice.

`domains.thundergate.repeats` says how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.response import Response

from domains.thundergate import repeats
from domains.thundergate.repeats import Answer
from thunderline.api import problems, requests
from thunderline.api.replies import reply, written

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("Location", "ETag")


def once(request: Any, act: Callable[[], Response]) -> Response:
    """Do it, unless the same was done under its key; then answer as then, with the header `Idempotency-Replayed`.

    Raises: problems.Refused: 400 for a key that is none, 409 while the same key is under way; KeyReused (422).
    """
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    if not repeats.is_key(key):
        raise problems.misfit(HEADER, "1 to 255 printable ASCII characters without blanks")
    # What speaks for one agent is not told what its owner did.
    asked = repeats.fingerprint(request.method, request.get_full_path(), request.auth.agent_id, requests.raw(request))
    try:
        return repeats.once(request.user.pk, key, asked, act, keep=_kept, again=_again)
    except repeats.UnderWay as error:
        raise problems.Refused(error.status, error.code, str(error), headers={"Retry-After": "1"}) from error


def _kept(response: Response) -> Answer:
    headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    return Answer(response.status_code, written(response.data).decode(), headers)


def _again(answer: Answer) -> Response:
    return reply(answer.body.encode(), status=answer.status, headers={**answer.headers, REPLAYED: "true"})

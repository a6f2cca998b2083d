"""ETags of what people may change, so that nobody overwrites what he has not seen.

An ETag covers the fields that an update may change, and not what ticks change: an agent that lives would otherwise
never be found as it was. It is for `If-Match`; replies are `no-store`, so nobody takes it for the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from thunderline.api import problems

_TAGS = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*')
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def tag(kind: str, values: Mapping[str, Any]) -> str:
    """A strong ETag of these values."""
    written = orjson.dumps([kind, values], option=orjson.OPT_SORT_KEYS, default=str)
    return f'"{sha256(written).hexdigest()[:24]}"'


def require(request: Any) -> None:
    """Raises: problems.Refused (428) when there is no `If-Match`."""
    if "If-Match" not in request.headers:
        raise problems.Refused(
            428, "precondition_required", "send If-Match with the ETag of what you read, or * to change it as it may be"
        )


def check(request: Any, current: str | None) -> None:
    """Compare `If-Match` and `If-None-Match` with what is there, None when nothing is. Ask it under the lock.

    Raises: problems.Refused (412).
    """
    wanted = _tags(request, "If-Match")
    if wanted is not None and (current is None or (wanted != ["*"] and current not in wanted)):
        raise _failed(current, "it is not as If-Match says: somebody changed it; read it again")
    unwanted = _tags(request, "If-None-Match")
    if unwanted is not None and current is not None and (unwanted == ["*"] or current in unwanted):
        raise _failed(current, "it is there, and If-None-Match says that it must not be")


def _failed(current: str | None, detail: str) -> problems.Refused:
    headers = {"ETag": current} if current else {}
    return problems.Refused(412, "precondition_failed", detail, headers=headers)


def _tags(request: Any, header: str) -> list[str] | None:
    """Strong tags of a header; weak ones match nothing. Raises: problems.Refused (412) for what cannot be read."""
    text = request.headers.get(header)
    if text is None:
        return None
    if text.strip() == "*":
        return ["*"]
    if len(text) > 1000 or not _TAGS.fullmatch(text):
        raise problems.Refused(412, "precondition_failed", f'{header}: send ETags in quotes, such as "5f2c", or *')
    return [found for weak, found in _TAG.findall(text) if not weak]

"""Keeps what lets somebody in out of logs: a filter for handlers, which looks at all they write."""

from __future__ import annotations

import logging
import re

HIDDEN = "••••"

# The longest first: a JWT within a header is hidden with the header.
_SECRETS = re.compile(
    r"(?P<before>(?:proxy-)?authorization[\"']?\s*[:=,]\s*(?:b?[\"'])?)(?:(?:bearer|basic|token)\s+)?[^\s\"',]+"
    r"|(?P<kind>\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?P<key>\btlk_[a-z2-7]{10})_[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"
    r"|\b[0-9a-f]{32}-[0-9]{1,11}\.[\w-]{20,}"
    r"|(?P<named>\b(?:api[_-]?key|x-api-key|password|passwd|secret[_-]?key|csrfmiddlewaretoken|sessionid|refresh|token)"
    r"[\"']?\s*[:=]\s*b?[\"']?)(?P<value>[^\s\"'&,;)}]{6,})"
    r"|(?P<scheme>\b(?:postgres(?:ql)?|rediss?|https?|amqp)://[^\s:/@]*:)[^\s@/]+(?=@)"
    r"|\bsk-[\w-]{16,}",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """The text without keys, tokens, passwords and authorization headers; what names a key stays."""
    return _SECRETS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    for name in ("before", "kind", "named", "scheme"):
        if (kept := found[name]) is not None:
            return f"{kept}{HIDDEN}"
    return f"{found['key']}_{HIDDEN}" if found["key"] else HIDDEN


class MaskSecrets(logging.Filter):
    """Masks the message as it will be written, and the exception's traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is left out. What cannot be put together is left for the handler to complain of."""
        try:
            text = record.getMessage()
        except Exception:
            text = f"{record.msg!s} {record.args!r}"
        record.msg, record.args = mask(text), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        return True

"""What the log says, beside what it must not say (`domains.thundergate.masking`)."""

from __future__ import annotations

import logging


def refusal_in_a_line(record: logging.LogRecord) -> bool:
    """A request that was refused (4xx) is told without the stack: nothing of ours failed. Hides no record."""
    if record.name == "django.request" and record.levelno < logging.ERROR:
        record.exc_info = None
    return True

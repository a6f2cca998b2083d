"""Requests that are refused are told by a line; what fails is told with its stack."""

from __future__ import annotations

import logging
import sys

import pytest
from django.conf import settings

from thunderline import logs


@pytest.mark.parametrize(
    ("name", "level", "stack"),
    [
        ("django.request", logging.WARNING, False),
        ("django.request", logging.ERROR, True),
        ("agents", logging.WARNING, True),
    ],
)
def test_only_what_fails_has_a_stack(name: str, level: int, stack: bool) -> None:
    try:
        raise PermissionError("not yours")
    except PermissionError:
        record = logging.LogRecord(name, level, __file__, 1, "Forbidden: %s", ("/admin/",), sys.exc_info())
    assert logs.refusal_in_a_line(record)
    said = logging.Formatter().format(record)
    assert said.startswith("Forbidden: /admin/")
    assert ("Traceback" in said) is stack


def test_secrets_are_looked_for_in_what_is_left() -> None:
    """Masking writes a stack out, which nobody could take away any more."""
    assert settings.LOGGING["handlers"]["console"]["filters"] == ["refusals", "secrets"]

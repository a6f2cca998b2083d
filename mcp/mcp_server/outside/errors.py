"""What is refused of outside servers and their tools."""

from __future__ import annotations


class OutsideError(Exception):
    """Base of what is refused. `code` is stable; the message says what to do differently."""

    code = "invalid"


class Invalid(OutsideError):
    """What was given does not fit."""


class NotFound(OutsideError):
    """There is no such server or tool."""

    code = "not_found"


class Unusable(OutsideError):
    """A tool that its server has no more, or whose description cannot be used."""

    code = "unusable"

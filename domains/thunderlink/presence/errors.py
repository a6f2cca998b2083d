"""What presence refuses."""

from __future__ import annotations


class PresenceError(Exception):
    """Base of the refusals of presence. `code` is stable."""

    code = "presence_error"


class Away(PresenceError):
    """Redis does not answer, or has just lost what it knew."""

    code = "presence_away"


class NotTracked(PresenceError):
    """This process tracks no such session on that topic."""

    code = "not_tracked"

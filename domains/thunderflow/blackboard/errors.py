"""What the blackboard refuses, with stable codes that every door passes on."""

from __future__ import annotations


class BlackboardError(Exception):
    """Base of the refusals of the blackboard. `code` is stable; the message helps."""

    code = "blackboard_error"


class BadKey(BlackboardError):
    """A key that is none."""

    code = "bad_key"


class BadValue(BlackboardError):
    """A value that is not JSON or too large, a life that is none, a name that is none."""

    code = "bad_value"


class VersionConflict(BlackboardError):
    """The entry is not at the version that was expected; `actual` is 0 when there is none."""

    code = "version_conflict"

    def __init__(self, key: str, *, expected: int, actual: int) -> None:
        what = "it must not exist" if expected == 0 else f"version {expected} was expected"
        found = f"it is at version {actual}" if actual else "there is no such entry"
        super().__init__(f"{key}: {what}, and {found}; read it again")
        self.key, self.expected, self.actual = key, expected, actual


class NotFound(BlackboardError):
    """There is no such entry or namespace."""

    code = "entry_not_found"


class AccessDenied(BlackboardError):
    """The namespace is not for everybody to write in."""

    code = "access_denied"

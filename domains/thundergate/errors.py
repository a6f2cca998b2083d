"""What security refuses, with stable codes and HTTP's status; every door passes them on."""

from __future__ import annotations


class GateError(Exception):
    """Base of the refusals of this app. `code` is stable; the message helps; `field` names what did not fit."""

    code, status = "gate_error", 400

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Invalid(GateError):
    """A value does not fit."""

    code = "invalid_payload"


class Forbidden(GateError):
    """Who asks is known, and may not do this."""

    code, status = "access_denied", 403


class NotFound(GateError):
    """There is no such key or grant."""

    code, status = "not_found", 404


class Unauthenticated(GateError):
    """Base of what is wrong with a credential: nobody is known by it."""

    code, status = "unauthenticated", 401


class KeyInvalid(Unauthenticated):
    """It is no key, or none of this installation's."""

    code = "key_invalid"


class KeyExpired(Unauthenticated):
    """Its time is over."""

    code = "key_expired"


class KeyRevoked(Unauthenticated):
    """Somebody ended it."""

    code = "key_revoked"


class AgentResting(GateError):
    """The agent for which alone it acts may not be acted for: suspended, archived or gone."""

    code, status = "agent_suspended", 403

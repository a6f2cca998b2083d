"""What agents refuse, with stable codes that every door passes on."""

from __future__ import annotations


class AgentError(Exception):
    """Base of the refusals of this app. `code` is stable; the message helps."""

    code = "agent_error"


class NotFound(AgentError):
    """There is no such agent."""

    code = "agent_not_found"


class Invalid(AgentError):
    """A value does not fit."""

    code = "invalid_payload"


class WrongState(AgentError):
    """The lifecycle does not allow it from here."""

    code = "wrong_state"

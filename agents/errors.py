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


class InvalidPayload(Invalid):
    """What somebody sent does not fit; `field` is the dotted name of the first place that does not."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class NotHere(AgentError):
    """The agent is not in this zone."""

    code = "not_here"


class OutOfRange(AgentError):
    """It is too far away."""

    code = "out_of_range"


class OnItsWay(AgentError):
    """The agent is on its way to another zone already."""

    code = "on_its_way"


class ZoneBusy(AgentError):
    """Somebody holds the zone for long, as the reset of a world does. Nothing was done; it may be tried again."""

    code = "zone_busy"


class Embodied(AgentError):
    """Somebody's client lives as the agent just now."""

    code = "embodied"


class LeaseLost(AgentError):
    """The client does not live as the agent (any more): it left, was silent for too long, or never entered."""

    code = "lease_lost"


class TooSoon(AgentError):
    """The agent has acted at this world tick. Once the clock has gone on it can act again."""

    code = "too_soon"

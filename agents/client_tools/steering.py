"""What who governs a place can make happen there."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agents import inputs
from agents.actions.inputs import Input, apply_inputs
from domains.tools import Caller, Conduct, Reply, ToolError, tool
from zones.actions import places
from zones.client_tools import PlaceWanted, zone_meant


class NewEvent(PlaceWanted):
    """What shall happen in a zone. Everybody in it notices the text."""

    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.:-]{0,63}$")]
    """A name for it, in small letters."""
    text: Annotated[str, Field(min_length=1, max_length=inputs.MOST_OF_TEXT)] | None = None
    """What those present notice, as a sentence."""
    payload: Annotated[dict[str, Any], AfterValidator(inputs.bounded)] = {}
    """Data for programs that listen; at most 4,096 bytes of JSON."""


class Injected(Reply):
    """It has happened."""

    zone: str
    event: str
    seq: int
    """Its place in the zone's stream."""


@tool(
    name="world_inject_event",
    description="Make something happen in a zone, which its agents notice. For who governs the zone, and operators.",
    capability="zones:act",
    output=Injected,
    for_people=Conduct("Inject an event", waits=True),
)
def world_inject_event(wanted: NewEvent, caller: Caller) -> Injected:
    """One transaction of its own under the zone's lock, as for what clients of the socket send."""
    zone = zone_meant(wanted.zone, wanted.world, caller)
    if not places.governs(zone, caller.user):
        raise ToolError("access_denied", f"only who governs {zone.name} may make things happen there")
    given = inputs.parse("broadcast", wanted.model_dump(exclude={"zone", "world"}))
    one = Input(verb="broadcast", given=given, agent_id=None, user=caller.user, by=caller.actor)
    (done,) = apply_inputs(zone.pk, [one])
    if isinstance(done, Exception):
        raise done
    return Injected(zone=zone.name, event=wanted.event, seq=done["seq"])

"""What agents tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, field_validator

from domains.thunderflow.payloads import Payload


class AgentTicked(Payload):
    """One tick of one agent, in its zone's stream. `x`, `y` are where it stands after it."""

    topic: ClassVar[str] = "zone.*.agent_ticked"

    agent_id: UUID
    name: str
    tick_number: int
    world_tick: int
    action: str
    narrative: str
    mood: float
    energy: float
    activity: str
    x: float
    y: float
    state_hash: str


class AgentChanged(Payload):
    """An agent's lifecycle, mods or place changed otherwise than by a tick. `what` names the change."""

    topic: ClassVar[str] = "agent.*.changed"

    agent_id: UUID
    name: str
    what: str
    was: str = ""
    now: str = ""
    reason: str = ""


class TickForced(Payload):
    """Somebody made an agent tick now: an input, whose place in the zone's stream is its place in a replay."""

    topic: ClassVar[str] = "zone.*.tick_forced"

    agent_id: UUID
    name: str
    world_tick: int


class TickFailed(Payload):
    """An agent's tick could not be done at all and is put off by its interval."""

    topic: ClassVar[str] = "zone.*.tick_failed"

    agent_id: UUID
    name: str
    world_tick: int
    error: str


class MoveRefused(Payload):
    """An agent was turned back: the place it set out for was full."""

    topic: ClassVar[str] = "zone.*.move_refused"

    agent_id: UUID
    name: str
    destination: UUID
    tick: int


class MessageReceived(Payload):
    """A message came into an agent's inbox, in its zone's stream. From a person it is an input of the world."""

    topic: ClassVar[str] = "agent.*.message_received"

    agent_id: UUID
    name: str
    number: int
    sender: str
    text: str
    turn: int
    conversation: UUID
    world_tick: int
    impersonated_by: str = ""
    """The operator who spoke as the sender."""


class MessageProcessed(Payload):
    """An agent read a message at a tick and answered it, or let it be (`reply` is None)."""

    topic: ClassVar[str] = "agent.*.message_processed"

    agent_id: UUID
    name: str
    number: int
    sender: str
    reply: str | None
    reply_number: int | None
    conversation: UUID
    world_tick: int


class AgentFailed(Payload):
    """Something went wrong with what an agent wanted; the rules decided in its place. `stage` says with what."""

    topic: ClassVar[str] = "agent.*.error"

    agent_id: UUID
    name: str
    tick_number: int
    world_tick: int
    stage: str
    error: str


class ModelAnswered(Payload):
    """What a model said an agent should do: an input, applied in the tick that follows it in the stream."""

    topic: ClassVar[str] = "zone.*.model_answered"

    agent_id: UUID
    name: str
    world_tick: int
    asked_tick: int
    answer: str
    error: str | None
    call_id: UUID | None
    heard: list[int]


class Impersonated(Payload):
    """An operator decided in an agent's place: an input, applied in the tick that follows it in the stream."""

    topic: ClassVar[str] = "zone.*.impersonated"

    agent_id: UUID
    name: str
    world_tick: int
    action: str
    arguments: dict[str, Any]
    replies: dict[str, str]
    """By the numbers of the messages, as text: JSON has no other keys."""

    @field_validator("replies", mode="before")
    @classmethod
    def _by_text(cls, replies: Mapping[int | str, str]) -> dict[str, str]:
        return {str(number): text for number, text in replies.items()}


class MindsChanged(Payload):
    """What models may be asked, with which words and for how much, was changed by an operator. `what` names it."""

    topic: ClassVar[str] = "system.minds_changed"

    what: str
    detail: str


class BoardRefused(Payload):
    """What an agent put on the blackboard was refused when its world tick ended. `code` says why."""

    topic: ClassVar[str] = "agent.*.board_refused"

    agent_id: UUID
    name: str
    key: str
    code: str
    world_tick: int


# --- What people do in a zone: inputs, whose places in its stream are their places in a replay ----------------


class Place(BaseModel):
    """Where somebody stands in a zone."""

    x: float
    y: float
    z: float


class AgentMoved(Payload):
    """A person moved an agent within its zone, `from` one place to another."""

    topic: ClassVar[str] = "zone.*.agent_moved"

    agent_id: UUID
    name: str
    position: Place
    __annotations__["from"] = "Place"  # a word of Python's own, which it takes for a name in no other way
    tick: int
    timestamp: datetime


class AgentInteraction(Payload):
    """A person let an agent do something with another; `text` are its words to it, which go into its inbox."""

    topic: ClassVar[str] = "zone.*.agent_interaction"

    agent_id: UUID
    name: str
    target_id: UUID
    target_name: str
    kind: str
    text: str | None
    tick: int
    timestamp: datetime


class ResourceConsumed(Payload):
    """A person let an agent take something from its zone. `energy` is what the agent gained by it."""

    topic: ClassVar[str] = "zone.*.resource_consumed"

    agent_id: UUID
    name: str
    resource_type: str
    amount: float
    remaining: float
    energy: float
    tick: int
    timestamp: datetime


class Said(Payload):
    """Somebody said something to all who are present: an agent, or a person (`agent_id` is None)."""

    topic: ClassVar[str] = "zone.*.said"

    agent_id: UUID | None
    name: str
    text: str
    tick: int
    timestamp: datetime


class Broadcast(Payload):
    """Somebody made something known in the whole zone: an agent, or a person (`agent_id` is None)."""

    topic: ClassVar[str] = "zone.*.broadcast"

    agent_id: UUID | None
    name: str
    event: str
    text: str | None
    payload: dict[str, Any]
    tick: int
    timestamp: datetime


class AgentEmbodied(Payload):
    """A client lives as the agent from now on; the agent's own ticks rest. `until`, unless it is heard of again."""

    topic: ClassVar[str] = "zone.*.agent_embodied"

    agent_id: UUID
    name: str
    world_tick: int
    until: datetime


class AgentFreed(Payload):
    """The agent decides for itself again. `reason`: left, expired, or ended by an operator."""

    topic: ClassVar[str] = "zone.*.agent_freed"

    agent_id: UUID
    name: str
    world_tick: int
    reason: str

"""What clients push into a zone, checked before anything is looked up: typed, bounded, refusing what it does not know.

Pure. What is parsed here can be stored as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agents.converse import storable
from agents.errors import InvalidPayload
from zones.errors import InvalidZoneId

MOST_OF_TEXT = 1000
MOST_OF_PAYLOAD = 4096
"""Bytes of JSON."""
DEEPEST = 8
"""Lists and objects within each other in a payload."""
HIGHEST = 100.0
"""Of a place above or below the ground."""
DECIMALS = 4
"""Of resources, which zones keep to as many places."""


def _storable(text: str) -> str:
    """Raises: ValueError."""
    if storable(text) != text:
        raise ValueError("it has characters that cannot be stored (NUL or lone surrogates)")
    return text


def bounded(payload: dict[str, Any]) -> dict[str, Any]:
    """An object that can be stored as JSON and is not too large. Raises: ValueError."""
    _check_json(payload, DEEPEST)
    try:
        size = len(orjson.dumps(payload))
    except TypeError as error:  # a whole number of more than 64 bits
        raise ValueError(f"it is no JSON: {error}") from error
    if size > MOST_OF_PAYLOAD:
        raise ValueError(f"{size:,} bytes are too many; {MOST_OF_PAYLOAD:,} is the most")
    return payload


def _check_json(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError(f"more than {DEEPEST} lists and objects within each other")
    if isinstance(value, str):
        _storable(value)
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError("a number that is not finite")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _storable(key)
            _check_json(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth - 1)
    elif value is not None and not isinstance(value, bool | int | float):
        raise ValueError(f"a {type(value).__name__}, which is no JSON")


def _to_places(amount: float) -> float:
    return round(amount, DECIMALS)


Coordinate = Annotated[float, Field(strict=True, ge=0, le=100)]
Height = Annotated[float, Field(strict=True, ge=-HIGHEST, le=HIGHEST)]
Words = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=MOST_OF_TEXT),
    AfterValidator(_storable),
]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Position(_Given):
    """A place in a zone: x and y 0–100, as ticks go by, z −100 to 100."""

    x: Coordinate
    y: Coordinate
    z: Height = 0.0


class AgentMove(_Given):
    """Go to a place in the zone."""

    position: Position


class AgentInteract(_Given):
    """Do something with somebody near, with or without words."""

    target_id: UUID
    kind: Literal["greet", "talk", "thank", "help", "trade"] = "talk"
    text: Words | None = None


class ConsumeResource(_Given):
    """Take some of what the zone has; `amount` to four decimal places."""

    resource_type: Literal["food", "materials", "energy", "knowledge"]
    amount: Annotated[float, Field(strict=True, ge=10**-DECIMALS, le=100), AfterValidator(_to_places)]


class Say(_Given):
    """Say something to all who are present."""

    text: Words


class Broadcast(_Given):
    """Make something known in the whole zone: a name for it, and words or data."""

    event: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_.:-]{0,63}$")]
    text: Words | None = None
    payload: Annotated[dict[str, Any], AfterValidator(bounded)] = {}


PUSHES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "agent_move": AgentMove,
        "agent_interact": AgentInteract,
        "consume_resource": ConsumeResource,
        "say": Say,
        "broadcast": Broadcast,
    }
)
"""By the name of the event that a client pushes."""


def parse(verb: str, payload: object) -> BaseModel:
    """The payload of a push as its type. Raises: InvalidPayload, which names the field."""
    kind = PUSHES.get(verb)
    if kind is None:
        raise InvalidPayload("event", f"there is no {verb[:64]!r}; there are {', '.join(PUSHES)}")
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> InvalidPayload:
    """The first mistake, in few words, without what was given: it may be long, and none of a log's business."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(storable(str(part))[:64] for part in first["loc"]) or "payload"
    return InvalidPayload(field, first["msg"].removeprefix("Value error, "))


def zone_id(text: UUID | str) -> UUID:
    """The id that a topic or a link names. Raises: zones.errors.InvalidZoneId."""
    if isinstance(text, UUID):
        return text
    try:
        found = UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise InvalidZoneId("that is no id of a zone") from None
    if str(found) != text:  # one zone is one topic
        raise InvalidZoneId(f"write the zone's id as {found}")
    return found

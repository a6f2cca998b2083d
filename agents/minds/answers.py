"""From a model's words to a decision. Pure; trusts nothing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agents import behaviours
from agents.converse import storable
from agents.facts import Decision, Facts

MAX_TEXT = 64_000
"""Longest text that is looked at."""
MAX_ARGUMENTS = 4_000
"""Bytes of arguments as JSON."""


class Nonsense(ValueError):
    """A model's words are no decision that can be taken here."""


def _words(most: int) -> BeforeValidator:
    """Text that can be stored, cut to a length; nothing at all counts as empty."""
    return BeforeValidator(lambda value: storable(value).strip()[:most] if isinstance(value, str) else "")


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")

    to: int
    text: Annotated[str, _words(1000)]


class _Said(BaseModel):
    """What is asked for; what comes besides is not looked at."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    action: Annotated[str, Field(min_length=1, max_length=100)]
    arguments: dict[str, Any] = {}
    reasoning: Annotated[str, _words(1000)] = ""
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    expected: Annotated[str, _words(300)] = ""
    remember: Annotated[str, _words(500)] = ""
    replies: Annotated[list[_Reply], Field(max_length=50)] = []
    narrative: Annotated[str, _words(600)] = ""


def read(text: str, facts: Facts, default: Decision) -> Decision:
    """The decision in a model's answer. Arguments that it leaves out are those of `default`, if its action is the same.

    Raises: Nonsense.
    """
    said = _parsed(text)
    behaviour = behaviours.get(said.action)
    if behaviour is None:
        raise Nonsense(f"there is no action {storable(said.action)!r}")
    if refusal := behaviour.refusal(facts):
        raise Nonsense(f"{said.action} is not possible now: {refusal}")
    arguments = _arguments(said)
    if said.action == "use_tool":
        _check_tool(arguments, facts)
    known = {heard.number for heard in facts.messages if heard.answerable}
    return Decision(
        action=said.action,
        arguments={**(default.arguments if default.action == said.action != "use_tool" else {}), **arguments},
        confidence=round(said.confidence, 4),
        reasoning=said.reasoning,
        expected=said.expected or behaviour.expects,
        replies={reply.to: reply.text for reply in said.replies if reply.to in known and reply.text},
        remember=said.remember,
        narrative=said.narrative,
    )


def _parsed(text: str) -> _Said:
    if len(text) > MAX_TEXT:
        raise Nonsense(f"{len(text):,} characters are no decision")
    try:
        return _Said.model_validate(_object(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Nonsense(f"{'.'.join(map(str, first['loc'])) or 'answer'}: {first['msg']}") from None


def _object(text: str) -> Any:
    """The JSON object in a text, whatever a model has put around it."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise Nonsense(f"there is no JSON object in {text.strip()[:80]!r}")
    try:
        found = orjson.loads(text[start : end + 1])
    except ValueError as error:
        raise Nonsense(f"this is not JSON: {error}") from None
    return {key: value for key, value in found.items() if value is not None}  # null is what is left out


def _arguments(said: _Said) -> dict[str, Any]:
    """Bounded, and without what cannot be stored."""
    try:
        written = orjson.dumps({key: value for key, value in said.arguments.items() if value is not None})
    except (TypeError, orjson.JSONEncodeError) as error:
        raise Nonsense(f"arguments: {error}") from None
    if len(written) > MAX_ARGUMENTS:
        raise Nonsense(f"arguments: {len(written):,} bytes are too many")
    if rb"\u0000" in written:
        raise Nonsense("arguments: a NUL character")
    return dict(orjson.loads(written))


def _check_tool(arguments: Mapping[str, Any], facts: Facts) -> None:
    tool = arguments.get("tool")
    if not isinstance(tool, str) or tool not in facts.tools:
        raise Nonsense(f"{facts.me.name} has no tool {str(tool)[:100]!r}")
    if not isinstance(arguments.get("arguments", {}), dict):
        raise Nonsense(f"the arguments of {tool} are no object")


@lru_cache(maxsize=512)
def schema(actions: Sequence[str], *, replies: bool, narrative: bool) -> Mapping[str, Any]:
    """JSON schema of a decision among these actions."""
    text = {"type": "string"}
    properties: dict[str, Any] = {
        "reasoning": text,
        "action": {"type": "string", "enum": list(actions)},
        "arguments": {"type": "object"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "expected": text,
        "remember": text,
    }
    if replies:
        item = {"type": "object", "properties": {"to": {"type": "integer"}, "text": text}, "required": ["to", "text"]}
        properties["replies"] = {"type": "array", "items": item}
    if narrative:
        properties["narrative"] = text
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

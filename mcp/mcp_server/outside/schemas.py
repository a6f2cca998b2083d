"""JSON Schemas of strangers: whether they can be used at all, and whether values fit. Pure.

They may be made to harm: nothing is fetched for them, no pattern is matched, and checking ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

MOST_BYTES = 32_000
DEEPEST = 24
MOST_STEPS = 10_000
"""Keywords that are looked at while one value is checked."""
DEEPEST_STEP = 100
"""Keywords within each other. Each takes some four calls: where a stack ends, a compiled library panics."""
_UNUSABLE = frozenset({"patternProperties", "$dynamicRef", "$recursiveRef", "x-mcp-header"})
"""What takes matching patterns of strangers, runs without an end, or wants headers that are not sent."""


class TooMuch(Exception):
    """A check takes too long."""


@dataclass(slots=True)
class _Effort:
    """What one check has cost."""

    steps: int = 0
    depth: int = 0


_effort: ContextVar[_Effort] = ContextVar("effort_of_a_check")


def _bounded(check: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(*args: Any) -> Iterator[ValidationError]:
        effort = _effort.get()
        effort.steps += 1
        effort.depth += 1
        try:
            if effort.steps > MOST_STEPS or effort.depth > DEEPEST_STEP:
                raise TooMuch
            yield from check(*args) or ()
        finally:
            effort.depth -= 1

    return bounded


def _any(*_: Any) -> Any:
    """A pattern may take for ever to match: what it says is left to the server."""
    return ()


_KEYWORDS = {**Draft202012Validator.VALIDATORS, "pattern": _any}
_Bounded = validators.extend(Draft202012Validator, {name: _bounded(check) for name, check in _KEYWORDS.items()})


def unfit(schema: Any, *, of_arguments: bool) -> str:
    """Why a schema cannot be used; empty: it can."""
    if not isinstance(schema, dict):
        return "it is no object"
    if (size := len(orjson.dumps(schema, default=str))) > MOST_BYTES:
        return f"{size:,} bytes; {MOST_BYTES:,} is the most"
    if of_arguments and schema.get("type", "object") != "object":
        return "arguments are an object"
    if odd := _odd(schema, DEEPEST):
        return odd
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"it is no JSON Schema: {error.message[:100]}"
    except RecursionError:
        return "it is too deep"
    return ""


def _odd(value: Any, depth: int) -> str:
    if depth < 0:
        return f"more than {DEEPEST} levels deep"
    if isinstance(value, dict):
        if found := _UNUSABLE & value.keys():
            return f"it has {min(found)}"
        ref = value.get("$ref", "#")
        if isinstance(ref, str) and not ref.startswith("#"):
            return "it refers to something outside of itself"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((odd for one in inner if (odd := _odd(one, depth - 1))), "")


def problem(schema: Mapping[str, Any], value: Any) -> str:
    """Why a value does not fit a schema that is fit, with the place; empty: it fits."""
    _effort.set(_Effort())
    try:
        # No registry of ours: references lead to nowhere but the schema itself.
        error: ValidationError | None = best_match(_Bounded(schema, registry=Registry()).iter_errors(value))
    except Unresolvable:
        return "its schema refers to what there is not"
    except TooMuch:
        return "its schema takes too long to check"
    if error is None:
        return ""
    where = ".".join(map(str, error.absolute_path))
    return f"{where + ': ' if where else ''}{error.message[:200]}"


def filled(schema: Mapping[str, Any], given: Mapping[str, Any], about: str) -> dict[str, Any]:
    """Arguments with what is required and was left out: texts say what it is about, the rest is the least that fits.

    For agents who go by rules and know no schema. What cannot be guessed stays out.
    """
    properties = schema.get("properties")
    found = dict(given)
    for name in schema.get("required", ()):
        wanted = properties.get(name) if isinstance(properties, dict) else None
        if name not in found and isinstance(wanted, dict):
            guess = _guess(wanted, about)
            if guess is not None:
                found[name] = guess
    return found


def _guess(wanted: Mapping[str, Any], about: str) -> Any:
    if "default" in wanted:
        return wanted["default"]
    if "const" in wanted:
        return wanted["const"]
    if isinstance(enum := wanted.get("enum"), list) and enum:
        return enum[0]
    match wanted.get("type", "string"):
        case "string":
            return about[: wanted.get("maxLength", len(about))]
        case "integer" | "number":
            return wanted.get("minimum", 1)
        case "boolean":
            return False
    return None

"""Schemas of strangers: what cannot be used is said, and checking a value ends whatever the schema says."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from mcp_server.outside import schemas

WORD = {"type": "string", "maxLength": 5}
TAKES = {
    "type": "object",
    "properties": {"word": WORD, "count": {"type": "integer", "minimum": 2}, "kind": {"enum": ["a", "b"]}},
    "required": ["word"],
    "additionalProperties": False,
}


def deep(levels: int) -> dict[str, Any]:
    return {"type": "object"} if not levels else {"type": "object", "properties": {"a": deep(levels - 1)}}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ([], "no object"),
        ({"type": "string"}, "arguments are an object"),
        ({"type": "object", "properties": 3}, "no JSON Schema"),
        ({"type": "object", "title": "x" * 40_000}, "bytes"),
        ({"type": "object", "$ref": "https://example.org/schema"}, "outside of itself"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "outside of itself"),
        ({"type": "object", "patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"type": "object", "properties": {"a": {"$dynamicRef": "#a"}}}, "dynamicRef"),
        (deep(30), "levels deep"),
    ],
)
def test_what_cannot_be_used(schema: Any, why: str) -> None:
    assert why in schemas.unfit(schema, of_arguments=True)


def test_what_can() -> None:
    assert schemas.unfit(TAKES, of_arguments=True) == ""
    assert schemas.unfit({"type": "array", "items": WORD}, of_arguments=False) == ""


def test_values_that_fit_and_do_not() -> None:
    assert schemas.problem(TAKES, {"word": "hello", "count": 2, "kind": "b"}) == ""
    for value, where in [
        ({}, "'word' is a required"), ({"word": 3}, "word: "), ({"word": "too long"}, "word: "),
        ({"word": "a", "kind": "c"}, "kind: "), ({"word": "a", "more": 1}, "more"), ([], "not of type"),
    ]:  # fmt: skip
        assert where in schemas.problem(TAKES, value)


def test_checking_ends() -> None:
    catastrophic = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert schemas.unfit(catastrophic, of_arguments=True) == ""
    assert schemas.problem(catastrophic, {"a": "a" * 5000 + "!"}) == ""
    doubling = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(60)}
    explosive = {"type": "object", "$ref": "#/$defs/d0", "$defs": {**doubling, "d60": False}}
    assert schemas.unfit(explosive, of_arguments=True) == ""
    assert "too long" in schemas.problem(explosive, {})
    assert "too long" in schemas.problem({"$ref": "#"}, {})
    assert "what there is not" in schemas.problem({"$ref": "#/$defs/none"}, {})


@pytest.mark.parametrize(
    "loops",
    [
        {"$ref": "#"},
        {"allOf": [{"not": {"if": {"$ref": "#"}}}]},
        {"oneOf": [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}]},
    ],
)
def test_checking_does_not_run_out_of_stack(loops: dict[str, Any]) -> None:
    """What runs out of it inside of a compiled library is no exception that anybody could catch."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 500)
    try:
        assert "too long" in schemas.problem(loops, {})
    finally:
        sys.setrecursionlimit(limit)


def test_values_as_deep_as_people_make_them_are_checked() -> None:
    tree = {"type": "object", "properties": {"in": {"$ref": "#"}, "leaf": {"type": "string"}}}
    value: dict[str, Any] = {"leaf": 3}
    for _ in range(30):
        value = {"in": value}
    assert "leaf: 3 is not of type" in schemas.problem(tree, value)


def test_what_is_required_is_filled_in() -> None:
    takes = {
        "properties": {
            **TAKES["properties"],  # type: ignore[dict-item]
            "sure": {"type": "boolean"}, "unit": {"type": "string", "default": "C"}, "things": {"type": "array"},
        },
        "required": ["word", "count", "kind", "sure", "unit", "things", "unknown"],
    }  # fmt: skip
    found = schemas.filled(takes, {}, "the harbour")
    assert found == {"word": "the h", "count": 2, "kind": "a", "sure": False, "unit": "C"}
    assert schemas.filled(takes, {"word": "own"}, "the harbour")["word"] == "own"
    assert schemas.filled({"type": "object"}, {}, "the harbour") == {}

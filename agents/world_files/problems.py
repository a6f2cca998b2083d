"""Pydantic's findings in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from agents import specs
from agents.world_files import schema
from agents.world_files.mistakes import AT_KEY, Path, meant

_MODELS: Mapping[str, type[BaseModel]] = {
    "zones": schema.ZoneEntry,
    "neighbours": schema.Way,
    "rules": schema.Rules,
    "regeneration": schema.Regeneration,
    "resources": schema.Resources,
    "properties": schema.Properties,
    "agents": schema.AgentEntry,
    "traits": specs.Traits,
    "stats": specs.Stats,
    "goals": specs.Goal,
    "mods": specs.ModSpec,
    "effects": specs.Effects,
    "position": specs.Position,
}
"""Which fields there are inside of which."""

_WORDS = {
    "string_type": "must be text; put it in quotes",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be fields with values",
    "model_type": "must be fields with values",
    "finite_number": "must be a number that is not infinite",
    "string_too_short": "must not be empty",
}


def explain(problem: Mapping[str, Any]) -> tuple[Path, str]:
    """Where and what, of one entry of `ValidationError.errors()`."""
    path: Path = tuple(problem["loc"])
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return (*path, AT_KEY), f"there is no such field; {meant(str(path[-1]), _fields(path[:-1]))}"
    if kind == "missing":
        return path, "is missing"
    message = _WORDS.get(kind) or problem["msg"].replace("Input should be", "must be").replace(
        "String should have", "must have"
    )
    if path[-1:] == (AT_KEY,):
        return path, f"there is no such key; it {message}"
    shown = f" (it is {given!r})" if isinstance(given, bool | int | float | str) and len(str(given)) <= 60 else ""
    return path, message[:1].lower() + message[1:] + shown


def _fields(path: Path) -> list[str]:
    within = next((part for part in reversed(path) if isinstance(part, str)), "")
    return list(_MODELS.get(within, schema.WorldFile).model_fields)

"""What can be asked for when an agent or a mod is made."""

from typing import Any

import pytest
from pydantic import ValidationError

from agents.models import Agent
from agents.specs import AgentSpec, Effects, ModSpec


def test_columns_are_those_of_the_row() -> None:
    spec = AgentSpec(name=" Mara ", goals=[{"name": "sing"}], position={"x": 1, "y": 2}, mods=[])
    columns = spec.columns()
    assert columns.keys() <= {field.attname for field in Agent._meta.concrete_fields}
    assert columns["name"] == "Mara"
    assert columns["goals"] == [{"name": "sing", "progress": 0.0}]
    assert (columns["x"], columns["y"], columns["z"]) == (1, 2, 0)
    assert (columns["openness"], columns["energy"], columns["tick_interval"]) == (0.5, 80, 30)


def test_without_a_position_none_is_named() -> None:
    assert AgentSpec(name="Mara").columns().keys().isdisjoint({"x", "y", "z"})


def test_settled_columns_are_what_ticks_leave_alone() -> None:
    settled = AgentSpec(name="Mara", capabilities=["fly"]).settled()
    assert tuple(settled) == AgentSpec.EDITABLE
    assert settled["capabilities"] == ["fly"]
    assert settled.keys().isdisjoint({"energy", "mood", "goals", "x", "name"})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""}, {"name": "   "}, {"name": "x" * 101}, {"name": "a\0b"}, {"name": "\ud800"}, {"name": 5},
        {"description": "x" * 1001}, {"traits": {"openness": 1.1}}, {"traits": {"luck": 0.5}},
        {"stats": {"energy": -1}}, {"stats": {"energy": float("nan")}}, {"mood": 2}, {"tick_interval": 0},
        {"tick_interval": 100_001}, {"goals": [{"name": "a"}] * 21}, {"goals": [{"name": ""}]},
        {"goals": [{"name": "a", "progress": 2}]}, {"capabilities": [""]}, {"capabilities": "fly"},
        {"reasoner": ""}, {"reasoner": "x" * 51}, {"temperature": 3}, {"max_tokens": 0}, {"movement_range": -1},
        {"movement_range": float("inf")}, {"position": {"x": 101, "y": 0}}, {"shoe_size": 42},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AgentSpec.model_validate({"name": "Mara", **changes})


@pytest.mark.parametrize("name", ["{zone}", "%s", "Robert'); DROP TABLE pac_agents;--", "🦊", "x" * 100])
def test_any_printable_name_will_do(name: str) -> None:
    assert AgentSpec(name=name).name == name


def test_a_spec_is_not_changed_once_made() -> None:
    with pytest.raises(ValidationError):
        AgentSpec(name="Mara").name = "Ben"  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "hat"}, {"duration": 0}, {"name": ""}, {"effects": {"stat_modifiers": {"luck": 1}}},
        {"effects": {"stat_modifiers": {"energy": 101}}}, {"effects": {"trait_modifiers": {"openness": -1.1}}},
        {"effects": {"action_weights": {"rest": 101}}}, {"effects": {"tool_access": [""]}}, {"effects": {"x": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_mod_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModSpec.model_validate({"name": "cloak", "kind": "skill", **changes})


@pytest.mark.parametrize("kind", ["behavior", "capability", "memory", "tool", "personality", "stat_boost", "skill"])
def test_every_kind_of_mod(kind: Any) -> None:
    assert ModSpec(name="cloak", kind=kind).effects == Effects()

"""The tools that need no rows, and what agents suggest to themselves."""

from typing import Any

import pytest

from agents import tools as shipped
from agents.behaviours import get
from agents.facts import Decision
from domains import tools
from domains.chance import Chance
from tests.unit.agents.making import agent, facts, zone

HOSTILE = ["{zone}", "{goal}", "%s", 'O\'Brien "\\1"', "🦊", "x" * 100]


def caller(of: Any = None, capabilities: set[str] | None = None) -> tools.Caller:
    return tools.Caller(
        actor="agent:Mara", capabilities=frozenset(capabilities or {"observe", "recall"}), facts=of, world_tick=10
    )


def test_looking_around_tells_what_was_perceived() -> None:
    of = facts(place=zone(resources={"food": 3.0, "materials": 60, "energy": 60, "knowledge": 60}), near=("Ben",))
    seen = tools.get("look_around").call({}, caller(of))
    assert isinstance(seen, shipped.Surroundings)
    assert (seen.zone, seen.near, seen.ways, seen.slots["scarce"]) == ("Harbour", ["Ben"], [], "food")
    assert seen.model_dump().keys() == {"zone", "near", "ways", "resources"}


@pytest.mark.parametrize("name", ["look_around", "recall_memory", "write_notice", "read_notices"])
def test_people_cannot_use_what_is_for_agents(name: str) -> None:
    arguments = {"recall_memory": {"text": "x"}, "write_notice": {"text": "x"}}.get(name, {})
    with pytest.raises(tools.ToolError) as refused:
        tools.get(name).call(arguments, caller(None, {tools.get(name).capability}))
    assert refused.value.code == "agents_only"


@pytest.mark.parametrize("name", ["look_around", "recall_memory", "write_notice", "read_notices"])
def test_a_capability_is_needed(name: str) -> None:
    with pytest.raises(tools.ToolError) as refused:
        tools.get(name).call({"text": "x"}, caller(facts(), {"nothing"}))
    assert refused.value.code == "forbidden"


@pytest.mark.parametrize("text", ["", "x" * 501, 5, None])
def test_a_notice_is_short_and_not_empty(text: Any) -> None:
    with pytest.raises(tools.ToolError) as refused:
        tools.get("write_notice").call({"text": text}, caller(facts(), {"write_notices"}))
    assert refused.value.code == "invalid_arguments"


@pytest.mark.parametrize("name", HOSTILE)
def test_suggested_notices_fit_and_keep_names_as_they_are(name: str) -> None:
    me = agent(name=name, goals=[{"name": "{name} " * 20, "progress": 0.5}])
    texts = {shipped.suggest("write_notice", facts(me), Chance(s, 0, 1, "x"))["text"] for s in range(100)}
    assert len(texts) == 7
    assert all(1 <= len(text) <= 500 for text in texts)
    assert any(text.endswith(f"— {name}") for text in texts)
    assert not any("{scarce}" in text for text in texts)


def test_one_thinks_back_to_what_is_at_hand() -> None:
    me = agent(current_focus="a bird")
    texts = {
        shipped.suggest("recall_memory", facts(me, near=("Ben",)), Chance(s, 0, 1, "x"))["text"] for s in range(50)
    }
    assert texts == {"a bird", "Harbour", "Ben"}


def test_a_tool_without_a_suggestion_gets_nothing() -> None:
    assert shipped.suggest("look_around", facts(), Chance(1, 1, 1, "x")) == {}


def test_which_tool_is_chance_among_those_one_has() -> None:
    behaviour = get("use_tool")
    assert behaviour
    of = facts(agent(capabilities=["write_notices", "read_notices"]))
    chosen = {behaviour.arguments(of, Chance(s, 0, 1, "x"))["tool"] for s in range(50)}
    assert chosen == {"write_notice", "read_notices"}


def test_schemas_are_json_schemas() -> None:
    schemas = tools.get("write_notice").schemas()
    assert schemas["input"]["required"] == ["text"]
    assert schemas["input"]["additionalProperties"] is False
    assert "story" not in schemas["output"].get("required", [])


def test_a_decision_without_a_tool_is_refused() -> None:
    behaviour = get("use_tool")
    assert behaviour
    of = facts(agent(capabilities=["use_tools"]))
    assert behaviour.refusal(of) is None
    assert Decision("use_tool").arguments == {}

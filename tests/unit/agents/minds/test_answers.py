"""From a model's words to a decision: whatever it says, a decision that can be taken or a plain no."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents import behaviours
from agents.facts import Decision, Facts
from agents.minds import answers
from agents.minds.answers import MAX_ARGUMENTS, MAX_TEXT, Nonsense
from tests.model_server import HOSTILE, NONSENSE
from tests.unit.agents.making import agent, facts, way, zone
from tests.unit.agents.minds.making import heard, told

RULED = Decision("rest", {"from": "the rules"}, expected="strength")


def mara(**changes: Any) -> Facts:
    """She can do everything, has a tool, somebody near, and three messages, one of which wants no answer."""
    me = agent(capabilities=["write_notices"], goals=[{"name": "mend the bridge", "progress": 0.2}], **changes)
    of = facts(me, zone(ways=[way("Mill")]), near=("Ben",))
    return told(of, heard(number=1), heard("Hello", number=2, by=3), heard("Bye", number=3, by=3, answerable=False))


def said(**changes: Any) -> str:
    return json.dumps({"action": "rest", **changes})


def read(text: str, of: Facts | None = None, default: Decision = RULED) -> Decision:
    return answers.read(text, of or mara(), default)


def storable(value: Any) -> None:
    """As a row takes it: JSON that PostgreSQL holds."""
    written = orjson.dumps(value)
    assert b"\\u0000" not in written
    assert orjson.loads(written) == value


def check(decision: Decision, of: Facts) -> None:
    behaviour = behaviours.get(decision.action)
    assert behaviour
    assert behaviour.refusal(of) is None
    assert 0 <= decision.confidence <= 1
    words = {"reasoning": 1000, "expected": 300, "remember": 500, "narrative": 600}
    for name, most in words.items():
        text = getattr(decision, name)
        assert isinstance(text, str)
        assert len(text) <= most
        assert "\0" not in text
        text.encode()
    storable(dict(decision.arguments))
    assert len(orjson.dumps(dict(decision.arguments))) <= MAX_ARGUMENTS + 100
    assert decision.replies.keys() <= {heard.number for heard in of.messages if heard.answerable}
    for text in decision.replies.values():
        assert 0 < len(text) <= 1000
        assert "\0" not in text
        text.encode()
    assert decision.by == ""
    assert decision.error is None
    assert decision.usage is None


def test_a_decision_is_read() -> None:
    decision = read(
        said(
            action="socialize", arguments={"with": "Ben", "say": "Hello."}, reasoning="I am alone.", confidence=0.75,
            expected="company", remember="Ben was there.", narrative="Mara waved.",
            replies=[{"to": 1, "text": "Well."}, {"to": 2, "text": "Hi."}],
        )
    )  # fmt: skip
    assert decision == Decision(
        "socialize", {"with": "Ben", "say": "Hello."}, 0.75, "I am alone.", "company",
        replies={1: "Well.", 2: "Hi."}, remember="Ben was there.", narrative="Mara waved.",
    )  # fmt: skip


def test_an_action_alone_will_do() -> None:
    rest = behaviours.get("rest")
    assert rest
    decision = read(said(), default=Decision("create"))
    assert decision == Decision("rest", {}, confidence=0.5, expected=rest.expects)


@pytest.mark.parametrize(
    "around",
    ["```json\n{}\n```", "```\n{}```", "I would say: {} Does that help?", "\ufeff  {}\n\n", "<think>hm</think>{}"],
)
def test_what_stands_around_it_does_not_matter(around: str) -> None:
    assert read(around.replace("{}", said(reasoning="so"))).reasoning == "so"


def test_null_is_what_is_left_out() -> None:
    text = said(arguments=None, confidence=None, replies=None, reasoning=None, expected=None, remember=None)
    assert read(text).action == "rest"


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(Nonsense) as refused:
        read(text)
    assert 0 < len(str(refused.value)) < 500
    assert "\0" not in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize(
    "text", ["", " ", "{", "}{", "null", "{}", "[]", '"rest"', "{" * 60_000, "\0", "\ud800{\ud800}"]
)
def test_what_is_no_decision_at_all_is_refused(text: str) -> None:
    with pytest.raises(Nonsense) as refused:
        read(text)
    str(refused.value).encode()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_hostile_gets_no_more_than_its_action(text: str) -> None:
    of = mara()
    decision = read(text, of)
    assert decision.action == "rest"
    assert decision.replies == {}
    assert decision.alternatives == {}
    check(decision, of)


def test_messages_of_others_cannot_be_answered() -> None:
    replies = [{"to": n, "text": f"to {n}"} for n in range(-1, 6)]
    assert read(said(replies=replies)).replies == {1: "to 1", 2: "to 2"}, "3 wants no answer"


def test_an_empty_answer_is_left_to_the_rules() -> None:
    replies = [{"to": 1, "text": " \n"}, {"to": 2, "text": None}]
    assert read(said(replies=replies)).replies == {}


def test_what_is_not_possible_is_refused_with_the_reason() -> None:
    tired = mara(energy=0.0)
    impossible = [b for b in behaviours.all_behaviours() if b.refusal(tired)]
    assert impossible
    for behaviour in impossible:
        with pytest.raises(Nonsense, match=f"{behaviour.name} is not possible now: "):
            read(said(action=behaviour.name), tired)


def test_whoever_has_no_tools_uses_none() -> None:
    with pytest.raises(Nonsense, match="it has no tools"):
        read(said(action="use_tool", arguments={"tool": "write_notice"}), facts())


def test_a_tool_that_one_has_may_be_used() -> None:
    arguments = {"tool": "write_notice", "arguments": {"text": "Ship ahoy."}}
    assert read(said(action="use_tool", arguments=arguments)).arguments == arguments


def test_a_tool_does_not_get_the_arguments_of_another() -> None:
    """What the rules would do with their tool has nothing to do with this one."""
    ruled = Decision("use_tool", {"tool": "write_notice", "arguments": {"text": "by rule"}})
    decision = read(said(action="use_tool", arguments={"tool": "write_notice"}), default=ruled)
    assert decision.arguments == {"tool": "write_notice"}


@pytest.mark.parametrize("tool", [None, 7, ["write_notice"], {"name": "write_notice"}, "shell", "write_notice "])
def test_a_tool_that_one_has_not_is_refused(tool: object) -> None:
    with pytest.raises(Nonsense, match="Mara has no tool"):
        read(said(action="use_tool", arguments={"tool": tool}))


@pytest.mark.parametrize("arguments", [7, "x", ["text"], True])
def test_a_tools_arguments_are_an_object(arguments: object) -> None:
    with pytest.raises(Nonsense, match="the arguments of write_notice are no object"):
        read(said(action="use_tool", arguments={"tool": "write_notice", "arguments": arguments}))


def test_arguments_that_are_left_out_are_those_of_the_rules_for_the_same_action() -> None:
    ruled = Decision("socialize", {"with": "Ben", "say": "by rule"})
    assert read(said(action="socialize"), default=ruled).arguments == ruled.arguments
    mixed = read(said(action="socialize", arguments={"say": "Hello.", "with": None}), default=ruled)
    assert mixed.arguments == {"with": "Ben", "say": "Hello."}
    assert read(said(action="rest"), default=ruled).arguments == {}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_actions = st.sampled_from(["rest", "socialize", "move_zone", "use_tool", "create", "reflect", "fly"])
_decisions = st.fixed_dictionaries(
    {"action": _actions | _json},
    optional={
        "arguments": st.dictionaries(st.sampled_from(["tool", "with", "say", "to", "arguments"]) | st.text(), _json),
        "confidence": st.floats() | _json,
        "reasoning": st.text() | _json,
        "expected": st.text() | _json,
        "remember": st.text() | _json,
        "narrative": st.text() | _json,
        "replies": st.lists(
            st.fixed_dictionaries({"to": st.integers(-1, 5) | _json, "text": st.text() | _json}), max_size=5
        )
        | _json,
        "by": st.text(),
    },
)
_texts = st.one_of(
    st.text(),
    _json.map(json.dumps),
    _decisions.map(json.dumps),
    _decisions.map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.builds(lambda value, at: json.dumps(value)[:at], _decisions, st.integers(0, 200)),
    st.builds(lambda before, value, after: before + json.dumps(value) + after, st.text(), _decisions, st.text()),
)


@settings(max_examples=400)
@given(_texts)
@example('{"action": "use_tool", "arguments": {"tool": {}}}')
@example('{"action": "rest", "arguments": {"n": 123456789012345678901234567890, "m": 1e999}}')
@example('{"action": "rest", "arguments": {"\\u0000": 1}}')
def test_any_text_is_a_decision_that_can_be_taken_and_stored_or_nonsense(text: str) -> None:
    of = mara()
    try:
        decision = read(text, of)
    except Nonsense as error:
        assert len(str(error)) < 1000
        assert "\0" not in str(error)
        str(error).encode()
    else:
        check(decision, of)


def test_lengths_are_looked_at_first() -> None:
    with pytest.raises(Nonsense, match="characters are no decision"):
        read(" " * (MAX_TEXT + 1))
    assert read(said(reasoning="x" * (MAX_TEXT - 100))).reasoning == "x" * 1000


def test_arguments_are_bounded() -> None:
    most = MAX_ARGUMENTS - len('{"say":""}')
    assert read(said(arguments={"say": "x" * most})).arguments["say"] == "x" * most
    with pytest.raises(Nonsense, match="4,001 bytes are too many"):
        read(said(arguments={"say": "x" * (most + 1)}))


def test_the_schema_asks_for_what_is_read() -> None:
    schema = answers.schema(("rest", "create"), replies=True, narrative=True)
    assert schema["properties"]["action"]["enum"] == ["rest", "create"]
    assert set(schema["required"]) == set(schema["properties"]) == set(answers._Said.model_fields)
    assert schema["additionalProperties"] is False
    small = answers.schema(("rest",), replies=False, narrative=False)
    assert set(schema["properties"]) - set(small["properties"]) == {"replies", "narrative"}

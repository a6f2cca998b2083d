from collections.abc import Iterator
from uuid import UUID

import pytest
from pydantic import BaseModel

from domains import tools
from domains.tools import Arguments, Caller, Tool, ToolError


class Question(Arguments):
    text: str
    times: int = 1


class Answer(BaseModel):
    said: str


def echo(question: Question, caller: Caller) -> Answer:
    caller.events.append(caller.actor)
    return Answer(said=question.text * question.times)


ECHO = Tool("test_echo", "Says it again.", Question, Answer, "speak", echo)
SPEAKER = Caller("agent:ada", capabilities=frozenset({"speak"}))


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(tools._tools)
    yield
    tools._tools.clear()
    tools._tools.update(before)


def test_a_tool_gets_checked_arguments_and_its_caller() -> None:
    caller = Caller("agent:ada", capabilities=frozenset({"speak"}), agent_id=UUID(int=1))
    assert ECHO.call({"text": "ha", "times": 3}, caller) == Answer(said="hahaha")
    assert caller.events == ["agent:ada"]


def test_callers_do_not_share_their_events() -> None:
    ECHO.call({"text": "ha"}, SPEAKER)
    assert Caller("agent:bo").events == []


def test_a_tool_refuses_who_lacks_the_capability_before_it_looks_at_the_arguments() -> None:
    with pytest.raises(ToolError, match="needs the capability 'speak'") as refusal:
        ECHO.call({"nonsense": 1}, Caller("agent:bo"))
    assert refusal.value.code == "forbidden"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "test_echo: text: Field required"),
        ({"text": "ha", "times": "often"}, "test_echo: times: Input should be a valid integer"),
        ({"text": "ha", "volume": 11}, "test_echo: volume: Extra inputs are not permitted"),
    ],
)
def test_a_tool_refuses_arguments_that_do_not_fit_and_names_them(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ToolError, match=says) as refusal:
        ECHO.call(arguments, SPEAKER)
    assert refusal.value.code == "invalid_arguments"


def test_schemas_describe_both_ends() -> None:
    schemas = ECHO.schemas()
    assert schemas["input"]["required"] == ["text"]
    assert schemas["input"]["additionalProperties"] is False
    assert list(schemas["output"]["properties"]) == ["said"]


def test_declaring_takes_the_input_from_the_first_parameter() -> None:
    declare = tools.tool(name="test_declared", description="Echo.", capability="speak", output=Answer)
    assert declare(echo) is echo
    assert tools.get("test_declared").input is Question


def test_a_name_is_taken_once() -> None:
    tools.register(ECHO)
    tools.register(ECHO)
    with pytest.raises(ValueError, match="'test_echo' is registered already"):
        tools.register(Tool("test_echo", "Another.", Question, Answer, "speak", lambda _q, _c: Answer(said="")))


def test_an_unknown_tool_is_refused_with_the_names_that_there_are() -> None:
    tools.register(ECHO)
    with pytest.raises(ToolError, match=r"no tool 'test_eco'.*test_echo") as refusal:
        tools.get("test_eco")
    assert refusal.value.code == "unknown_tool"


def test_capabilities_decide_which_tools_are_offered() -> None:
    tools.register(ECHO)
    tools.register(Tool("test_a", "First by name.", Question, Answer, "speak", echo))
    tools.register(Tool("test_b", "For others.", Question, Answer, "test_sing", echo))
    assert [tool.name for tool in tools.for_capabilities(frozenset({"test_sing"}))] == ["test_b"]
    both = [tool.name for tool in tools.for_capabilities(frozenset({"speak", "test_sing"}))]
    assert [name for name in both if name.startswith("test_")] == ["test_a", "test_b", "test_echo"]
    assert tools.for_capabilities(frozenset()) == []

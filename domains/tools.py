"""The tool contract that agents, MCP and REST share: a name, schemas for both ends, a needed capability, a handler.

A tool is declared where its domain lives, with `@tool(...)` on a function that takes its validated arguments and a
`Caller`, and returns its output model. Handlers run inside the caller's transaction: they may read and write rows
and publish events, and must do nothing that a rollback cannot undo.

Some are for agents, who use them in their ticks; others for people and their programs, who come through a door
(`for_people=Conduct(...)`). The two are apart: a capability that a mod gives an agent opens nothing that is for people.

A name with a dot, `<server>.<tool>`, is a tool of an outside server. None of those is registered: a tick only writes
down that it is wanted, and what is known of them is asked of `outside_from`'s source, never in a tick.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError


class Arguments(BaseModel):
    """Base of every tool's input: refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Arguments):
    """Base of the input of tools for people's programs: what stands under a field is its description for them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Reply(BaseModel):
    """Base of the output of tools for people's programs, with descriptions likewise."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ToolError(Exception):
    """A tool call that was refused. `code` is stable; the message says what to do differently."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an agent in its zone at a world tick, or a person (`agent_id` is None)."""

    actor: str
    capabilities: frozenset[str] = frozenset()
    """Of an agent; of a person's program, the scopes of its key."""
    agent_id: UUID | None = None
    zone_id: UUID | None = None
    world_tick: int = 0
    facts: Any = None
    """What the agent perceived this tick (`agents.facts.Facts`), for tools that only look; None for people."""
    events: list[Any] = field(default_factory=list)
    """`NewEvent`s that the handler wants told; the caller publishes them at the end of its transaction."""
    wishes: list[Any] = field(default_factory=list)
    """What an agent's handler wants put on the blackboard (`blackboard.actions.Put`) when the world tick ends."""
    recalls: list[Any] = field(default_factory=list)
    """What an agent's handler recalled (`memory.actions.Recall`); counted with all others of its tick."""
    user: Any = None
    """The person whose program calls; what it may see and do, so may the program."""
    token_agent: UUID | None = None
    """The one agent that the program's key speaks for, if it speaks for one."""
    identity: Any = None
    """The same as `domains.thundergate.access` knows them, for rules that ask there."""
    progress: Callable[[float, float | None, str], None] = lambda done, total, message: None
    """Say how far a long call has come: so much of so much, and in words."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a tool for people behaves; programs show the title, and ask before what is destructive."""

    title: str
    read_only: bool = False
    destructive: bool = False
    """It may take away what cannot be brought back."""
    idempotent: bool = False
    """The same call once more changes nothing more."""
    waits: bool = False
    """It waits for the world, so that it opens its transactions itself and runs in none."""
    heavy: bool = False
    """It costs much, and is limited as such."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One declared tool."""

    name: str
    description: str
    input: type[Arguments]
    output: type[BaseModel]
    capability: str
    handler: Callable[[Any, Caller], BaseModel] = field(repr=False)
    conduct: Conduct | None = None
    """None: it is for agents."""
    writes: bool = True
    """False: called in a tick it changes no row, so that none has to be taken back when it fails: no savepoint."""

    def schemas(self) -> dict[str, Any]:
        """JSON Schemas of both ends: `{"input": …, "output": …}`."""
        return {"input": self.input.model_json_schema(), "output": self.output.model_json_schema()}

    def call(self, arguments: dict[str, Any], caller: Caller) -> BaseModel:
        """Check, then run. Raises: ToolError with code `forbidden` or `invalid_arguments`, or the handler's own."""
        if self.capability not in caller.capabilities:
            raise ToolError("forbidden", f"{self.name} needs the capability {self.capability!r}")
        return self.handler(self.parse(arguments), caller)

    def parse(self, arguments: dict[str, Any]) -> Arguments:
        """The arguments as their type. Raises: ToolError with code `invalid_arguments`, which names the field."""
        try:
            return self.input.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))[:100] or "arguments"
            raise ToolError("invalid_arguments", f"{self.name}: {where}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class Described:
    """A tool as it is told to who chooses its arguments. `input` is a JSON Schema."""

    name: str
    description: str
    input: Mapping[str, Any]


OutsideSource = Callable[[Collection[str], UUID], Mapping[str, Described]]
"""Of these names, by name, those that agents of a world may use now."""
MOST_OF_NAME = 100
"""Characters of the name of an outside tool: as many as mods may name."""

_outside: OutsideSource | None = None
_tools: dict[str, Tool] = {}
_for_people: dict[str, Tool] = {}


def tool(
    *,
    name: str,
    description: str,
    capability: str,
    output: type[BaseModel],
    for_people: Conduct | None = None,
    writes: bool = True,
) -> Callable[[Callable[[Any, Caller], Any]], Callable[[Any, Caller], Any]]:
    """Declare the decorated function as a tool. Its first parameter's annotation is the input model."""

    def declare(handler: Callable[[Any, Caller], Any]) -> Callable[[Any, Caller], Any]:
        from typing import get_type_hints

        hints = get_type_hints(handler)
        arguments = next(hint for key, hint in hints.items() if key != "return")
        register(Tool(name, description, arguments, output, capability, handler, for_people, writes))
        return handler

    return declare


def register(new: Tool) -> None:
    """Add a tool. Raises: ValueError when another one of its kind has its name, or it is named as an outside one."""
    if is_outside(new.name) or is_outside(new.capability):
        raise ValueError(f"{new.name!r}: names with a dot are for tools of outside servers")
    known = _tools if new.conduct is None else _for_people
    if known.setdefault(new.name, new) is not new:
        raise ValueError(f"a tool called {new.name!r} is registered already")


def get(name: str) -> Tool:
    """Raises: ToolError with code `unknown_tool`."""
    try:
        return _tools[name]
    except KeyError:
        raise ToolError("unknown_tool", f"there is no tool {name!r}; there are {', '.join(sorted(_tools))}") from None


def for_capabilities(capabilities: frozenset[str]) -> list[Tool]:
    """Tools that these capabilities allow, by name."""
    return [t for _, t in sorted(_tools.items()) if t.capability in capabilities]


def unregister(name: str) -> None:
    """Take a tool for people out again: where it came from is gone, or a test is over."""
    del _for_people[name]


def get_for_people(name: str) -> Tool | None:
    """A tool for people and their programs, or None."""
    return _for_people.get(name)


def all_for_people() -> list[Tool]:
    """Tools for people and their programs, by name."""
    return [t for _, t in sorted(_for_people.items())]


def is_outside(name: str) -> bool:
    """Whether a tool or a capability is one of an outside server: `<server>.<tool>`."""
    return "." in name.strip(".") and len(name) <= MOST_OF_NAME


def outside_from(source: OutsideSource) -> None:
    """Say who knows about outside tools."""
    global _outside
    _outside = source


def described(names: Collection[str], world_id: UUID) -> list[Described]:
    """What agents of a world are told of tools, by name; of outside ones those that may be used now. Not for ticks."""
    outside = [name for name in names if is_outside(name)]
    found = dict(_outside(outside, world_id)) if outside and _outside is not None else {}
    for name in names:
        if not is_outside(name):
            tool = get(name)
            found[name] = Described(name, tool.description, _input(tool.input))
    return [one for _, one in sorted(found.items())]


@lru_cache(maxsize=256)
def _input(model: type[Arguments]) -> Mapping[str, Any]:
    return model.model_json_schema()

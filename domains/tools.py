"""The tool contract that agents, MCP and REST share: a name, schemas for both ends, a needed capability, a handler.

A tool is declared where its domain lives, with `@tool(...)` on a function that takes its validated arguments and a
`Caller`, and returns its output model. Handlers run inside the caller's transaction: they may read and write rows
and publish events, and must do nothing that a rollback cannot undo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError


class Arguments(BaseModel):
    """Base of every tool's input: refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    agent_id: UUID | None = None
    zone_id: UUID | None = None
    world_tick: int = 0
    facts: Any = None
    """What the agent perceived this tick (`agents.facts.Facts`), for tools that only look; None for people."""
    events: list[Any] = field(default_factory=list)
    """`NewEvent`s that the handler wants told; the caller publishes them at the end of its transaction."""
    wishes: list[Any] = field(default_factory=list)
    """What an agent's handler wants put on the blackboard (`blackboard.actions.Put`) when the world tick ends."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One declared tool."""

    name: str
    description: str
    input: type[Arguments]
    output: type[BaseModel]
    capability: str
    handler: Callable[[Any, Caller], BaseModel] = field(repr=False)

    def schemas(self) -> dict[str, Any]:
        """JSON Schemas of both ends: `{"input": …, "output": …}`."""
        return {"input": self.input.model_json_schema(), "output": self.output.model_json_schema()}

    def call(self, arguments: dict[str, Any], caller: Caller) -> BaseModel:
        """Check, then run. Raises: ToolError with code `forbidden` or `invalid_arguments`, or the handler's own."""
        if self.capability not in caller.capabilities:
            raise ToolError("forbidden", f"{self.name} needs the capability {self.capability!r}")
        try:
            parsed = self.input.model_validate(arguments)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "arguments"
            raise ToolError("invalid_arguments", f"{self.name}: {where}: {first['msg']}") from error
        return self.handler(parsed, caller)


_tools: dict[str, Tool] = {}


def tool(
    *, name: str, description: str, capability: str, output: type[BaseModel]
) -> Callable[[Callable[[Any, Caller], Any]], Callable[[Any, Caller], Any]]:
    """Declare the decorated function as a tool. Its first parameter's annotation is the input model."""

    def declare(handler: Callable[[Any, Caller], Any]) -> Callable[[Any, Caller], Any]:
        from typing import get_type_hints

        hints = get_type_hints(handler)
        arguments = next(hint for key, hint in hints.items() if key != "return")
        register(Tool(name, description, arguments, output, capability, handler))
        return handler

    return declare


def register(new: Tool) -> None:
    """Add a tool. Raises: ValueError when another one has its name."""
    if _tools.setdefault(new.name, new) is not new:
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

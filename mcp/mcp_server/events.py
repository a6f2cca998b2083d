"""What the door for AI clients tells."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from domains.thunderflow.payloads import Payload

STREAM = "tools"


class ToolCalled(Payload):
    """A program called a tool. `outcome`: `done`, or the code of the refusal. `about`: the ids and names it gave."""

    topic: ClassVar[str] = "tools.called"

    tool: str
    outcome: str
    ms: float
    user_id: UUID
    agent_id: UUID | None
    door: str
    address: str
    about: dict[str, str]


class ToolSettingChanged(Payload):
    """An operator switched a tool on or off, or changed who may use it. `roles` empty: all."""

    topic: ClassVar[str] = "tools.setting_changed"

    tool: str
    enabled: bool
    roles: list[str]


class OutsideCalled(Payload):
    """An outside tool was called for an agent, or was not. `outcome`: `done`, or the code of why not."""

    topic: ClassVar[str] = "tools.outside_called"

    call_id: UUID
    tool: str
    outcome: str
    ms: float | None
    attempt: int
    agent_id: UUID
    world_id: UUID
    told: bool
    """Whether the agent was told what came of it."""


class OutsideServerChanged(Payload):
    """An operator did something to an outside server: `added`, `changed`, `removed`, `asked` for its tools, `reset`."""

    topic: ClassVar[str] = "tools.outside_server_changed"

    server: str
    what: str


class OutsideToolsChanged(Payload):
    """A server's tools are not what they were. Those that changed or are gone are off; `off` says which were on."""

    topic: ClassVar[str] = "tools.outside_tools_changed"

    server: str
    new: list[str]
    changed: list[str]
    gone: list[str]
    off: list[str]


class OutsideToolSet(Payload):
    """An operator switched an outside tool on or off, or changed where it may be used. Empty lists: everywhere."""

    topic: ClassVar[str] = "tools.outside_tool_set"

    tool: str
    enabled: bool
    roles: list[str]
    worlds: list[UUID]

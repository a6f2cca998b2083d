"""Which outside tools may be used, and where: as operators say, read at most once a second and process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from domains.fields import Secret, Undecipherable
from domains.tools import MOST_OF_NAME, Described
from mcp_server.models import OutsideTool
from mcp_server.outside.client import Target
from zones import queries as zones

FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """An outside server as it is called."""

    id: UUID
    name: str
    enabled: bool
    target: Target
    calls_per_minute: int
    agent_calls_per_minute: int
    max_in_flight: int
    unusable: str = ""
    """Why it cannot be called."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as its server has described it, and where it may be used."""

    server: Server
    name: str
    """As its server knows it."""
    description: str
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None
    again: bool
    """A call that may have been done may be made again."""
    off: str
    """Why nobody may use it; empty: it is on."""
    roles: frozenset[int]
    worlds: frozenset[UUID]

    def refusal(self, world_id: UUID) -> str:
        """Why agents of a world may not use it; empty: they may. A query where roles are named."""
        if self.off:
            return self.off
        if self.worlds and world_id not in self.worlds:
            return "it is not for this world"
        if self.roles and not zones.owned_by_any_of(world_id, self.roles):
            return "it is not for the owner of this world"
        return ""


_read: tuple[float, Mapping[str, Offer]] = (float("-inf"), {})


def forget() -> None:
    """Read them anew at the next question."""
    global _read
    _read = (float("-inf"), {})


def offers() -> Mapping[str, Offer]:
    """All tools, on or off, by `<server>.<tool>`. Three queries a second at most."""
    global _read
    read_at, found = _read
    if time.monotonic() - read_at > FRESH_S:
        rows = OutsideTool.objects.select_related("server").prefetch_related("roles", "worlds")
        found = {row.full_name: _offer(row) for row in rows}
        _read = (time.monotonic(), found)
    return found


def described(names: Collection[str], world_id: UUID) -> Mapping[str, Described]:
    """What agents of a world are told of tools: of those that they may use now."""
    known = offers()
    return {
        name: Described(name, known[name].description, known[name].input)
        for name in names
        if name in known and not known[name].refusal(world_id)
    }


def server(row: Any) -> Server:
    """A row as it is called."""
    token, unusable = "", ""
    try:
        token = cast(Secret, row.token).reveal()
    except Undecipherable as error:
        unusable = f"the token of {row.name} cannot be read: {error}"
    return Server(
        id=row.pk, name=row.name, enabled=row.enabled, target=Target(row.url, token, row.timeout_s),
        calls_per_minute=row.calls_per_minute, agent_calls_per_minute=row.agent_calls_per_minute,
        max_in_flight=row.max_in_flight, unusable=unusable,
    )  # fmt: skip


def _offer(row: OutsideTool) -> Offer:
    whose = server(row.server)
    return Offer(
        server=whose, name=row.name, description=row.description, input=row.input_schema, output=row.output_schema,
        again=row.read_only or row.idempotent, off=_off(row, whose),
        roles=frozenset(role.pk for role in row.roles.all()), worlds=frozenset(world.pk for world in row.worlds.all()),
    )  # fmt: skip


def _off(row: OutsideTool, whose: Server) -> str:
    if not whose.enabled:
        return f"{whose.name} is switched off"
    if whose.unusable:
        return whose.unusable
    if not row.present:
        return f"{whose.name} has it no more"
    if row.unfit or len(row.full_name) > MOST_OF_NAME:
        return f"it cannot be used: {row.unfit or 'its name is too long'}"
    return "" if row.enabled else "it is switched off"

"""Which tools are on for whom, as operators say in the admin; read at most once a second and process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from domains.thunderflow.actions import NewEvent, publish
from mcp_server import events
from mcp_server.models import ToolSetting

FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Switch:
    """What a row says."""

    enabled: bool
    roles: frozenset[int]
    """Keys of groups; empty: all."""


_read: tuple[float, Mapping[str, Switch]] = (float("-inf"), {})


def forget() -> None:
    """Read them anew at the next question."""
    global _read
    _read = (float("-inf"), {})


def _switches() -> Mapping[str, Switch]:
    global _read
    read_at, found = _read
    if time.monotonic() - read_at > FRESH_S:
        rows = ToolSetting.objects.prefetch_related("roles")
        found = {row.name: Switch(row.enabled, frozenset(role.pk for role in row.roles.all())) for row in rows}
        _read = (time.monotonic(), found)
    return found


def allowed(names: Collection[str], user: Any) -> set[str]:
    """Those of these tools that are on for a user. At most three queries, mostly none."""
    switches = _switches()
    on = {name for name in names if name not in switches or switches[name].enabled}
    restricted = {name for name in on if name in switches and switches[name].roles}
    if not restricted or user.is_superuser:
        return on
    mine = set(user.groups.values_list("pk", flat=True))
    return {name for name in on if name not in restricted or switches[name].roles & mine}


def set_switch(name: str, *, enabled: bool, roles: Collection[Group], by: str) -> ToolSetting:
    """Switch a tool on or off and say whom it is for. Takes effect everywhere within a second; tells its event."""
    with transaction.atomic():
        row, _ = ToolSetting.objects.update_or_create(name=name, defaults={"enabled": enabled})
        row.roles.set(roles)
        payload = events.ToolSettingChanged(tool=name, enabled=enabled, roles=sorted(role.name for role in roles))
        publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))
    forget()
    return row

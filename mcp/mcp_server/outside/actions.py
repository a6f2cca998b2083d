"""Naming outside servers, and saying which of their tools may be used and where.

Nobody is asked here: that `manage.py outside` does, within a moment.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from domains.fields import Secret
from domains.thunderflow import breakers
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.payloads import Payload
from mcp_server import events
from mcp_server.models import OutsideServer, OutsideTool
from mcp_server.outside import addresses
from mcp_server.outside.errors import Invalid, NotFound, Unusable


def breaker_name(server: str) -> str:
    """Of the circuit breaker that all processes share for it."""
    return f"outside:{server}"


def add(*, name: str, url: str, by: str, token: str = "", **fields: Any) -> OutsideServer:
    """Name a server. Its tools are found within a moment, and are off. Raises: Invalid."""
    server = OutsideServer(name=name, url=url, token=token, **fields)
    save(server, what="added", by=by)
    return server


def save(server: OutsideServer, *, what: str, by: str) -> None:
    """Save a server as it was edited; it is asked for its tools anew.

    A token goes to the origin that it was entered for: where that changes, it must be entered again. Raises: Invalid.
    """
    try:
        server.full_clean()
        addresses.check(server.url)
    except ValidationError as error:
        found = [f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
        raise Invalid("; ".join(found)) from error
    except (ValueError, addresses.Forbidden) as error:
        raise Invalid(f"URL: {error}") from error
    with transaction.atomic():
        before = OutsideServer.objects.select_for_update().filter(pk=server.pk).first()
        kept = before is not None and bool(before.token) and isinstance(server.token, Secret)
        if kept and urlsplit(before.url)[:2] != urlsplit(server.url)[:2]:  # type: ignore[union-attr]
            raise Invalid("token: it was entered for another address; enter it again, or remove it")
        server.look_at = timezone.now()
        server.save()
        _tell(events.OutsideServerChanged(server=server.name, what=what), by)


def remove(server_id: UUID, *, by: str) -> None:
    """Forget a server and its tools; the record of calls stays. Raises: NotFound."""
    with transaction.atomic():
        server = OutsideServer.objects.select_for_update().filter(pk=server_id).first()
        if server is None:
            raise NotFound(f"there is no outside server {server_id}")
        breakers.reset(breaker_name(server.name), by=by)
        server.delete()
        _tell(events.OutsideServerChanged(server=server.name, what="removed"), by)


def look_again(server_ids: Collection[UUID], *, by: str) -> int:
    """Have servers asked for their tools within a moment, and forget that they failed. Returns how many."""
    with transaction.atomic():
        servers = list(OutsideServer.objects.select_for_update().filter(pk__in=server_ids).order_by("pk"))
        OutsideServer.objects.filter(pk__in=[one.pk for one in servers]).update(look_at=timezone.now())
        for server in servers:
            breakers.reset(breaker_name(server.name), by=by)
            _tell(events.OutsideServerChanged(server=server.name, what="asked"), by)
    return len(servers)


def set_tool(
    tool_id: int,
    *,
    enabled: bool,
    by: str,
    roles: Collection[Group] | None = None,
    worlds: Collection[Any] | None = None,
) -> None:
    """Switch a tool on or off, and say where it may be used (None: as it is). Raises: NotFound, Unusable."""
    with transaction.atomic():
        tool = OutsideTool.objects.select_for_update(of=("self",)).select_related("server").filter(pk=tool_id).first()
        if tool is None:
            raise NotFound(f"there is no outside tool {tool_id}")
        if enabled and not tool.present:
            raise Unusable(f"{tool.full_name}: its server has it no more")
        if enabled and tool.unfit:
            raise Unusable(f"{tool.full_name}: {tool.unfit}")
        tool.enabled = enabled
        tool.save(update_fields=["enabled"])
        if roles is not None:
            tool.roles.set(roles)
        if worlds is not None:
            tool.worlds.set(worlds)
        payload = events.OutsideToolSet(
            tool=tool.full_name, enabled=enabled, roles=sorted(tool.roles.values_list("name", flat=True)),
            worlds=sorted(tool.worlds.values_list("pk", flat=True)),
        )  # fmt: skip
        _tell(payload, by)


def find_server(name: str) -> OutsideServer:
    """Raises: NotFound."""
    found = OutsideServer.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(OutsideServer.objects.values_list("name", flat=True)) or "none yet"
        raise NotFound(f"there is no outside server {name!r}; there are: {known}")
    return found


def find_tool(full_name: str) -> OutsideTool:
    """Raises: NotFound."""
    server, _, name = full_name.partition(".")
    found = OutsideTool.objects.select_related("server").filter(server__name=server, name=name).first()
    if found is None:
        raise NotFound(f"there is no outside tool {full_name!r}")
    return found


def _tell(payload: Payload, by: str) -> None:
    publish(NewEvent(events.STREAM, payload.topic, payload, actor=by))

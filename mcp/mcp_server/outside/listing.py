"""Which tools outside servers have: asked when one is saved, when an operator wants it, and every ten minutes.

What is new is off. What changed since an operator looked at it goes off, and so does what is gone: a tool that was let
in for what it said it does may not become another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.converse import storable
from domains import sql
from domains.thunderflow.actions import NewEvent, publish
from mcp_server import events
from mcp_server.models import OutsideServer, OutsideTool
from mcp_server.outside import offers, schemas
from mcp_server.outside.client import Failed, Found
from mcp_server.outside.offers import Server

EVERY_S, RETRY_S = 600.0, 60.0
LEASE_S = 180.0
"""Longer than a server may take."""
MOST_AT_ONCE = 5
LONGEST_NAME, LONGEST_TITLE, LONGEST_DESCRIPTION = 128, 200, 4_000

# Not `updated_at`: nobody has edited it.
TAKE = """
UPDATE outside_servers s SET look_at = now() + make_interval(secs => %s)
FROM (
    SELECT id FROM outside_servers WHERE enabled AND look_at <= now() ORDER BY look_at LIMIT %s FOR UPDATE SKIP LOCKED
) due
WHERE s.id = due.id RETURNING s.id
"""
# Unless somebody has wanted it asked again meanwhile.
NEXT = "look_at = CASE WHEN look_at > now() THEN now() + make_interval(secs => %s) ELSE look_at END"
FAILED = f"UPDATE outside_servers SET {NEXT}, last_error = %s WHERE id = %s"
DONE = f"UPDATE outside_servers SET {NEXT}, last_error = '', looked_at = now() WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Look:
    """A server to be asked for its tools."""

    server: Server


@dataclass(frozen=True, slots=True)
class Looked:
    """What it answered: its tools, or why there is no answer."""

    server: Server
    found: Sequence[Found] | None
    failure: Failed | None = None


def take() -> list[Look]:
    """Servers that are due to be asked; nobody else asks them meanwhile. One query while there are none."""
    ids = [row[0] for row in sql.fetch_rows(TAKE, [LEASE_S, MOST_AT_ONCE])]
    servers = [offers.server(row) for row in OutsideServer.objects.filter(pk__in=ids)] if ids else []
    for one in servers:
        if one.unusable:
            sql.execute(FAILED, [RETRY_S, one.unusable[:500], one.id])
    return [Look(one) for one in servers if not one.unusable]


def note(looked: Looked) -> None:
    """Write down what a server answered. One transaction."""
    if looked.found is None:
        error = f"{looked.failure.code}: {looked.failure}" if looked.failure else "no answer"
        sql.execute(FAILED, [RETRY_S, storable(error)[:500], looked.server.id])
        return
    with transaction.atomic():
        if OutsideServer.objects.select_for_update().filter(pk=looked.server.id).first() is None:
            return  # removed meanwhile
        _compare(looked.server, {one.name: one for one in looked.found})
        sql.execute(DONE, [EVERY_S, looked.server.id])
    offers.forget()


def _compare(server: Server, found: dict[str, Found]) -> None:
    known = {tool.name: tool for tool in OutsideTool.objects.select_for_update().filter(server_id=server.id)}
    new: list[OutsideTool] = []
    changed, gone, off = [], [], []
    for name, one in sorted(found.items()):
        if not 1 <= len(name) <= LONGEST_NAME or storable(name) != name:
            continue
        row = known.get(name)
        described = _columns(one)
        if row is None:
            new.append(OutsideTool(server_id=server.id, name=name, changed_at=timezone.now(), **described))
        elif not row.present or any(getattr(row, column) != value for column, value in described.items()):
            changed.append(name)
            off += _write(row, {**described, "present": True, "changed_at": timezone.now()})
    OutsideTool.objects.bulk_create(new)
    for name in sorted(known.keys() - found.keys()):
        if known[name].present:
            gone.append(name)
            off += _write(known[name], {"present": False})
    if new or changed or gone:
        payload = events.OutsideToolsChanged(
            server=server.name, new=[one.name for one in new], changed=changed, gone=gone, off=off
        )
        publish(NewEvent(events.STREAM, payload.topic, payload))


def _write(row: OutsideTool, columns: dict[str, Any]) -> list[str]:
    """What is no more what it was is off. Returns its name if it was on."""
    was = row.enabled
    for name, value in {**columns, "enabled": False}.items():
        setattr(row, name, value)
    row.save(update_fields=[*columns, "enabled"])
    return [row.name] if was else []


def _columns(one: Found) -> dict[str, Any]:
    """A tool as it is kept. Of one that is unfit no schemas are: they may be huge."""
    unfit = _unfit(one)
    return {
        "title": storable(one.title)[:LONGEST_TITLE],
        "description": storable(one.description)[:LONGEST_DESCRIPTION],
        "input_schema": {} if unfit else one.input,
        "output_schema": None if unfit else one.output,
        "read_only": one.read_only,
        "idempotent": one.idempotent,
        "unfit": unfit,
    }


def _unfit(one: Found) -> str:
    if problem := schemas.unfit(one.input, of_arguments=True):
        return storable(f"its input schema: {problem}")[:300]
    if one.output is not None and (problem := schemas.unfit(one.output, of_arguments=False)):
        return storable(f"its output schema: {problem}")[:300]
    if len(one.description) > LONGEST_DESCRIPTION:
        return f"its description has {len(one.description):,} characters; {LONGEST_DESCRIPTION:,} is the most"
    return ""

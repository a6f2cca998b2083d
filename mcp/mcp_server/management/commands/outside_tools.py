"""`manage.py outside_tools`: outside MCP servers, and which of their tools agents may use."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable
from getpass import getpass
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from domains import console
from domains.console import between
from domains.thunderflow import breakers
from domains.thunderflow.context import acting
from mcp_server.models import OutsideServer, OutsideTool
from mcp_server.outside import actions
from mcp_server.outside.errors import OutsideError
from zones import queries as zones
from zones.errors import ZoneError

OPERATOR = "operator"
TOKEN = "THUNDERLINE_OUTSIDE_TOKEN"  # noqa: S105 - the name of a variable
_LIMITS: dict[str, tuple[Callable[[str], Any], str]] = {
    "timeout-s": (between(float, 0.1, 120), "longest that a call may take"),
    "calls-per-minute": (between(int, 1, 100_000), "of all agents"),
    "agent-calls-per-minute": (between(int, 1, 10_000), "of each agent"),
    "max-in-flight": (between(int, 1, 100), "calls at once, of each process"),
}


class Command(BaseCommand):
    help = "Outside MCP servers and their tools, which agents may use once they are switched on."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="servers and tools").add_argument(
            "--json", action="store_true", help="one JSON document"
        )
        add = verbs.add_parser("add", help="name a server; its tools are found within a moment, and are off")
        add.add_argument("name", metavar="NAME", help="its tools are called NAME.<tool>")
        add.add_argument("url", metavar="URL", help="of its streamable HTTP: https://tools.example.org/mcp")
        add.add_argument("--ask-token", action="store_true", help=f"ask for a token; else {TOKEN} is it, if it is set")
        for option, (kind, meaning) in _LIMITS.items():
            add.add_argument(f"--{option}", type=kind, metavar="N", help=meaning)
        verbs.add_parser("remove", help="forget a server and its tools").add_argument("name", metavar="NAME")
        verbs.add_parser("refresh", help="ask a server for its tools now").add_argument("name", metavar="NAME")
        on = verbs.add_parser("on", help="let agents use a tool whose mods give it to them")
        on.add_argument("tool", metavar="NAME.TOOL")
        on.add_argument("--world", action="append", default=[], help="only in this world (may be given again)")
        on.add_argument("--role", action="append", default=[], help="only in worlds whose owner is in this group")
        verbs.add_parser("off", help="let nobody use a tool").add_argument("tool", metavar="NAME.TOOL")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with acting(actor=OPERATOR):
                getattr(self, f"_{verb}")(**options)
        except (OutsideError, ZoneError) as error:
            raise CommandError(str(error)) from error

    def _list(self, *, json: bool, **_: Any) -> None:
        servers = list(OutsideServer.objects.prefetch_related("tools__roles", "tools__worlds"))
        states = breakers.states([actions.breaker_name(server.name) for server in servers])
        found = [_server(server, states[actions.breaker_name(server.name)].state) for server in servers]
        if json:
            console.write_json(self.stdout, found)
            return
        out = console.console(self.stdout)
        if not found:
            out.print("There is no outside server; `manage.py outside_tools add` names one.")
            return
        lines = [(s["name"], s["url"], s["state"], s["last_error"][:60]) for s in found]
        out.print(console.table(("server", "address", "state", "last error"), lines))
        tools = [(t["name"], t["state"], t["where"], t["description"][:60]) for s in found for t in s["tools"]]
        out.print(console.table(("tool", "state", "where", "what it says of itself"), tools))

    def _add(self, *, name: str, url: str, ask_token: bool, **options: Any) -> None:
        limits = {option.replace("-", "_"): options[option.replace("-", "_")] for option in _LIMITS}
        given = {option: value for option, value in limits.items() if value is not None}
        token = getpass("Token: ") if ask_token else os.environ.get(TOKEN, "")
        actions.add(name=name, url=url, token=token, by=OPERATOR, **given)
        self.stdout.write(f"{name} is known. Its tools are off until they are switched on.")

    def _remove(self, *, name: str, **_: Any) -> None:
        actions.remove(actions.find_server(name).pk, by=OPERATOR)
        self.stdout.write(f"{name} is forgotten.")

    def _refresh(self, *, name: str, **_: Any) -> None:
        actions.look_again([actions.find_server(name).pk], by=OPERATOR)
        self.stdout.write(f"{name} is asked within a moment, by `manage.py outside`.")

    def _on(self, *, tool: str, world: list[str], role: list[str], **_: Any) -> None:
        groups = list(Group.objects.filter(name__in=role))
        if missing := set(role) - {group.name for group in groups}:
            raise CommandError(f"there is no group {min(missing)!r}")
        worlds = [zones.world(name) for name in world]
        actions.set_tool(actions.find_tool(tool).pk, enabled=True, roles=groups, worlds=worlds, by=OPERATOR)
        self.stdout.write(f"{tool} is on.")

    def _off(self, *, tool: str, **_: Any) -> None:
        actions.set_tool(actions.find_tool(tool).pk, enabled=False, by=OPERATOR)
        self.stdout.write(f"{tool} is off.")


def _server(server: OutsideServer, breaker: str) -> dict[str, Any]:
    state = "off" if not server.enabled else "ok" if breaker == breakers.CLOSED else "resting"
    return {
        "name": server.name, "url": server.url, "state": state, "looked_at": server.looked_at,
        "last_error": server.last_error, "tools": [_tool(server, tool) for tool in server.tools.all()],
    }  # fmt: skip


def _tool(server: OutsideServer, tool: OutsideTool) -> dict[str, Any]:
    state = "gone" if not tool.present else "cannot be used" if tool.unfit else "on" if tool.enabled else "off"
    where = [*(f"owners {role.name}" for role in tool.roles.all()), *(f"world {w.name}" for w in tool.worlds.all())]
    return {
        "name": f"{server.name}.{tool.name}", "state": state, "where": ", ".join(where) or "everywhere",
        "description": tool.description, "unfit": tool.unfit,
    }  # fmt: skip

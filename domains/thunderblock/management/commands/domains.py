"""`manage.py domains [list|activate|deactivate]`: see the Thunder domains, switch them on and off."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.text import Text

from domains import console
from domains.lifecycle import all_domains
from domains.thunderblock import actions, queries
from domains.thunderflow.context import acting

_COLOURS = {"active": "green", "waiting": "yellow", "restarting": "yellow", "crashed": "red", "inactive": "dim"}


class Command(BaseCommand):
    help = "The Thunder domains: which are active, and switching them on and off."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", nargs="?", default="list", choices=["list", "activate", "deactivate"])
        parser.add_argument("names", nargs="*", metavar="NAME", help="domains to switch")
        parser.add_argument("--reason", default="switched off by an operator", help="why it is switched off")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, names: list[str], **options: Any) -> None:
        actions.sync(now=timezone.now())
        if verb == "list" and names:
            raise CommandError("list takes no names")
        if verb != "list":
            _switch(verb, names, options["reason"])
        found = [domain for domain in queries.domains() if not names or domain.name in names]
        if options["json"]:
            console.write_json(self.stdout, [asdict(domain) for domain in found])
        else:
            self._show(found)

    def _show(self, found: list[queries.DomainStatus]) -> None:
        rows = [
            (
                domain.name,
                Text(domain.status, style=_COLOURS.get(domain.status, "white")),
                domain.tick_count,
                f"{domain.activated_at:%Y-%m-%d %H:%M:%S}" if domain.activated_at else None,
                domain.fault or ("" if domain.status == "active" else domain.reason),
            )
            for domain in found
        ]
        columns = ("domain", "status", "ticks", "active since", "remark")
        console.console(self.stdout).print(console.table(columns, rows, numbers=("ticks",)))


def _switch(verb: str, names: list[str], reason: str) -> None:
    """All or none: an unknown name changes nothing."""
    known = [config.domain for config in all_domains()]
    if not names:
        raise CommandError(f"which domain? There is {', '.join(sorted(known))}.")
    for name in names:
        if name not in known:
            near = get_close_matches(name, known) or sorted(known)
            raise CommandError(f"there is no domain called {name!r}; there is {', '.join(near)}")
    now = timezone.now()
    with acting(actor="operator"):
        for name in names:
            if verb == "activate":
                actions.switch_on(name, now=now)
            else:
                actions.switch_off(name, reason=reason, now=now)

"""`manage.py follow`: the process that lets subscribers have their events. Any number may run."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from domains.thunderblock import guards
from domains.thunderflow.subscribers import all_subscribers
from domains.thunderflow.subscribers.process import Process


class Command(BaseCommand):
    help = "Let subscribers handle what happens, until stopped. `manage.py up` runs it for you."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="SUBSCRIBER", help="only these (all)")
        parser.add_argument("--once", action="store_true", help="end when everything that has happened is handled")

    def handle(self, *args: Any, names: list[str], once: bool, **options: Any) -> None:
        declared = {one.name: one for one in all_subscribers()}
        if unknown := [name for name in names if name not in declared]:
            there = ", ".join(declared) or "none at all"
            raise CommandError(f"no code declares a subscriber called {unknown[0]!r}; there are: {there}")
        process = Process([declared[name] for name in names or declared], may_work=_may_work)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run(until_idle=once)


def _may_work() -> bool:
    try:
        guards.require("thunderflow")
    except guards.DomainInactive:
        return False
    return True

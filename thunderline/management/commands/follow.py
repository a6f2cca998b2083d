"""`manage.py follow`: the process that lets subscribers have their events. Any number may run."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from domains.thunderblock import guards
from domains.thunderflow.subscribers import all_subscribers
from domains.thunderflow.subscribers.process import Process


class Command(BaseCommand):
    help = "Let subscribers handle what happens, until stopped. `manage.py up` runs it for you."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when everything that has happened is handled")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        process = Process(all_subscribers(), may_work=_may_work)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run(until_done=once)


def _may_work() -> bool:
    try:
        guards.require("thunderflow")
    except guards.DomainInactive:
        return False
    return True

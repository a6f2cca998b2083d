"""`manage.py reasoner`: the process that asks models what their agents do. Any number may run."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from agents.minds.service import Service

SWITCH_S = 0.0005


class Command(BaseCommand):
    help = "Serve agents who think with a model, until stopped. `manage.py up` runs it for you."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nobody is due and no call is under way")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        # The thread that talks to the database waits some thirty times a round, and would wait again for the loop to
        # let go of the interpreter: five milliseconds each time, if Python had its way.
        sys.setswitchinterval(SWITCH_S)
        asyncio.run(_serve(once))


async def _serve(once: bool) -> None:
    service = Service()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, service.stop)
    await service.run(until_idle=once)

"""`manage.py outside`: the process that calls tools of outside MCP servers. Any number may run."""

from __future__ import annotations

import asyncio
import logging
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from mcp_server.outside.service import Service

NOISY = ("mcp", "client", "httpx2", "httpcore2")
"""The SDK tells each mishap of a session with a traceback, which is told here in a line."""


class Command(BaseCommand):
    help = "Call tools of outside MCP servers for agents, until stopped. `manage.py up` runs it for you."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing is due and no call is under way")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        asyncio.run(_serve(once))


async def _serve(once: bool) -> None:
    service = Service()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, service.stop)
    await service.run(until_idle=once)

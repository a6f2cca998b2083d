"""`manage.py bench …`: measure, beside the limit, on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from domains.console import between
from thunderline.bench import ticks


class Command(BaseCommand):
    help = "Measure what this machine can do. Uses a database of its own; stop the system first for clean figures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb = verbs.add_parser("ticks", help="durable agent ticks a second through real workers")
        verb.add_argument("--agents", type=between(int, 1, 1_000_000), default=10_000)
        verb.add_argument("--zones", type=between(int, 1, 10_000), default=100)
        verb.add_argument(
            "--seconds", type=between(float, 0.1, 3600), default=30.0, help="for product and limit each (30)"
        )
        verb.add_argument("--workers", type=between(int, 1, 64), default=2)
        verb.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(stderr=True)
        with console.status("starting") as status:
            figures = ticks.run(
                agents=options["agents"],
                zones=options["zones"],
                seconds=options["seconds"],
                workers=options["workers"],
                say=status.update,
            )
        if options["json"]:
            sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
            return
        table = Table("figure", "value", title="ticks")
        for name, value in figures.items():
            table.add_row(name, str(value))
        Console().print(table)

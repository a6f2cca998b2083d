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
from thunderline.bench import blackboard, events, minds, ticks


class Command(BaseCommand):
    help = "Measure what this machine can do. Uses a database of its own; stop the system first for clean figures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb = verbs.add_parser("ticks", help="durable agent ticks a second through real workers")
        verb.add_argument("--agents", type=between(int, 1, 1_000_000), default=10_000)
        verb.add_argument("--zones", type=between(int, 1, 10_000), default=100)
        verb.add_argument("--workers", type=between(int, 1, 64), default=2)
        thinking = verbs.add_parser("minds", help="steps a second of agents who ask a model")
        thinking.add_argument("--agents", type=between(int, 1, 10_000), default=100)
        thinking.add_argument("--latency-ms", type=between(float, 1, 60_000), default=200.0, help="of the model (200)")
        thinking.add_argument("--reasoners", type=between(int, 1, 16), default=2)
        thinking.add_argument(
            "--mixed", type=between(int, 0, 1_000_000), default=5000, help="agents of the mixed crowd; 0: none (5000)"
        )
        publishing = verbs.add_parser("events", help="durable events a second")
        publishing.add_argument(
            "--replayed", type=between(int, 1, 100_000_000), default=1_000_000, help="events sent again (1000000)"
        )
        board = verbs.add_parser("blackboard", help="milliseconds to put, get and query shared knowledge")
        board.add_argument("--keys", type=between(int, 100, 10_000_000), default=100_000)
        board.add_argument("--rounds", type=between(int, 10, 1_000_000), default=2000, help="calls of each kind (2000)")
        board.add_argument("--json", action="store_true", help="one JSON object on standard output")
        for each in (verb, thinking, publishing):
            each.add_argument(
                "--seconds", type=between(float, 0.1, 3600), default=30.0, help="for product and limit each (30)"
            )
            each.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, verb: str, json: bool, **options: Any) -> None:
        bench: Any = {"blackboard": blackboard, "ticks": ticks, "minds": minds, "events": events}[verb]
        wanted = {name: value for name, value in options.items() if name in bench.OPTIONS}
        with Console(stderr=True).status("starting") as status:
            figures = bench.run(**wanted, say=status.update)
        if json:
            sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
            return
        table = Table("figure", "value", title=verb)
        for name, value in figures.items():
            table.add_row(name, str(value))
        Console().print(table)

"""`manage.py bench …`: measure, beside the limit, on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from domains.console import between
from thunderline.bench import api, blackboard, events, mcp, memory, minds, ticks, web, zones
from thunderline.bench.retrieval import BadDataset

BENCHES: dict[str, Any] = {
    "blackboard": blackboard, "ticks": ticks, "minds": minds, "events": events, "zones": zones, "memory": memory,
    "api": api, "mcp": mcp, "pages": web,
}  # fmt: skip


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
        vault = verbs.add_parser("memory", help="what is found of a data set; or how long it takes among a million")
        vault.add_argument("--dataset", type=Path, metavar="FILE", help="memories and questions, as JSON")
        vault.add_argument("--agents", type=between(int, 1, 100_000), help="without a data set (1000)")
        vault.add_argument("--memories", type=between(int, 10, 100_000), help="of each agent (1000)")
        vault.add_argument("--seconds", type=between(float, 0.5, 3600), default=10.0, help="of all that is timed (10)")
        vault.add_argument("--json", action="store_true", help="one JSON object on standard output")
        lists = verbs.add_parser("api", help="milliseconds that lists of REST take")
        lists.add_argument("--agents", type=between(int, 100, 1_000_000), default=10_000)
        lists.add_argument("--rounds", type=between(int, 10, 100_000), default=200, help="of each list (200)")
        lists.add_argument("--json", action="store_true", help="one JSON object on standard output")
        pages = verbs.add_parser("pages", help="milliseconds that the pages take")
        pages.add_argument("--agents", type=between(int, 100, 1_000_000), default=10_000)
        pages.add_argument("--rounds", type=between(int, 5, 100_000), default=100, help="of each page (100)")
        pages.add_argument("--json", action="store_true", help="one JSON object on standard output")
        door = verbs.add_parser(
            "mcp", help="milliseconds that a tool call of an AI client takes besides the tool's own work"
        )
        door.add_argument("--calls", type=between(int, 10, 1_000_000), default=200, help="of each tool (200)")
        door.add_argument("--agents", type=between(int, 1, 100_000), default=100)
        door.add_argument("--json", action="store_true", help="one JSON object on standard output")
        live = verbs.add_parser("zones", help="what clients of the socket get, and how soon")
        live.add_argument("--idle", type=between(int, 1, 100_000), default=1000, help="idle connections (1000)")
        live.add_argument("--steps", type=between(int, 1, 9), default=9, help="rates on the way to the highest (9)")
        live.add_argument("--servers", nargs="+", choices=zones.SERVERS, default=zones.SERVERS)
        for each in (verb, thinking, publishing, live):
            each.add_argument(
                "--seconds", type=between(float, 0.1, 3600), default=30.0, help="for product and limit each (30)"
            )
            each.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, verb: str, json: bool, **options: Any) -> None:
        bench = BENCHES[verb]
        wanted = {name: value for name, value in options.items() if name in bench.OPTIONS}
        try:
            with Console(stderr=True).status("starting") as status:
                figures = bench.run(**wanted, say=status.update)
        except BadDataset as error:
            raise CommandError(str(error)) from error
        if json:
            sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
            return
        table = Table("figure", "value", title=verb)
        for name, value in _rows(figures):
            table.add_row(name, value)
        Console().print(table)


def _rows(figures: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """A row a figure; what consists of plain figures is one row, what goes deeper a row each."""
    for name, value in figures.items():
        if not isinstance(value, Mapping):
            yield within + name, f"{value:,}" if isinstance(value, int) else str(value)
        elif any(isinstance(part, Mapping) for part in value.values()):
            yield from _rows(value, f"{within}{name} ")
        else:
            yield within + name, "  ".join(f"{key} {part}" for key, part in value.items())

"""`manage.py events tail [PATTERN]`: watch the world's history as it is written."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.text import Text

from domains.thunderflow import patterns, queries

_COLOURS = {"zone": "cyan", "agent": "green", "system": "yellow", "world": "magenta"}


class Command(BaseCommand):
    help = "Read the event log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        tail = verbs.add_parser("tail", help="print events as they are committed; Ctrl-C ends it")
        tail.add_argument("pattern", nargs="?", default="**", help="topics to show: * one token, ** any number")
        tail.add_argument("--since", type=int, metavar="POSITION", help="start after this position, not from now")
        tail.add_argument("--last", type=int, default=10, metavar="N", help="first show the newest N (10)")
        tail.add_argument("--count", type=int, metavar="N", help="end after N events")
        tail.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            patterns.to_regex(options["pattern"])
        except patterns.BadPattern as error:
            raise CommandError(str(error)) from error
        show = print_json if options["json"] else Printer()
        left = options["count"]
        try:
            for event in _events(options):
                show(event)
                left = left - 1 if left is not None else None
                if left is not None and left <= 0:
                    break
        except KeyboardInterrupt:
            pass


def _events(options: dict[str, Any]):  # type: ignore[no-untyped-def]
    after = options["since"]
    if after is None:
        recent = queries.latest(pattern=options["pattern"], limit=options["last"]) if options["last"] else []
        yield from reversed(recent)
        after = recent[0].position if recent else None
    yield from queries.follow(pattern=options["pattern"], after=after)


def print_json(event: queries.StoredEvent) -> None:
    """One line of JSON on standard output, flushed so that pipes see it at once."""
    sys.stdout.write(orjson.dumps(asdict(event)).decode() + "\n")
    sys.stdout.flush()


class Printer:
    """Readable lines: time, position, topic, then the payload's story or its fields."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)

    def __call__(self, event: queries.StoredEvent) -> None:
        line = Text(f"{event.at:%H:%M:%S} ", style="dim")
        line.append(f"{event.position:>8} ", style="dim")
        line.append(event.topic, style=_COLOURS.get(event.topic.split(".")[0], "white"))
        line.append("  " + describe(event.payload))
        self.console.print(line)


def describe(payload: dict[str, Any]) -> str:
    """The payload's narrative if it has one, else its fields as `key=value`."""
    if story := payload.get("narrative"):
        return str(story)
    return " ".join(f"{key}={value}" for key, value in payload.items() if value not in (None, "", [], {}))

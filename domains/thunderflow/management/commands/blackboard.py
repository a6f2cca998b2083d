"""`manage.py blackboard …`: read and write shared knowledge, and watch it change."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, Never

import orjson
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.text import Text

from domains import console
from domains.console import between
from domains.thunderflow import queries as flow
from domains.thunderflow.blackboard import actions, keys, queries
from domains.thunderflow.blackboard.errors import BadValue, BlackboardError
from domains.thunderflow.context import acting
from domains.thunderflow.patterns import BadPattern, to_regex

OPERATOR = "operator"
_COLOURS = {"put": "green", "deleted": "red", "expired": "yellow"}
_MOST_SHOWN = 200
_PATTERN = "keys: * one word, ** any number of them"


class Command(BaseCommand):
    help = "Shared, versioned knowledge: read it, write it, watch it change."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        get = verbs.add_parser("get", help="print one entry's value")
        get.add_argument("key", metavar="KEY", help="words with dots between them: town.clock")
        put = verbs.add_parser("put", help="write one entry")
        put.add_argument("key", metavar="KEY")
        put.add_argument("value", metavar="VALUE", help="JSON, or text when it is none; - reads standard input")
        put.add_argument(
            "--ttl", type=between(float, 0.001, keys.MAX_TTL_S), metavar="SECONDS", help="it lasts so long"
        )
        delete = verbs.add_parser("delete", help="delete one entry")
        delete.add_argument("key", metavar="KEY")
        for verb in (put, delete):
            verb.add_argument(
                "--expect", type=between(int, 0, 2**62), metavar="VERSION",
                help="only when it is at this version; 0: only when there is none",
            )  # fmt: skip
        query = verbs.add_parser("query", help="list entries whose keys fit a pattern")
        query.add_argument(
            "pattern", nargs="?", default="**", metavar="PATTERN", help="* one word, ** any number of them"
        )
        query.add_argument("--limit", type=between(int, 1, queries.MOST), default=100, help="entries at most (100)")
        query.add_argument("--after", default="", metavar="KEY", help="go on behind this key")
        watch = verbs.add_parser("watch", help="print changes as they are committed; Ctrl-C ends it")
        watch.add_argument(
            "pattern", nargs="?", default="**", metavar="PATTERN", help="* one word, ** any number of them"
        )
        watch.add_argument(
            "--since", type=console.position, metavar="POSITION", help="start after this position, not from now"
        )
        watch.add_argument("--count", type=console.count, metavar="N", help="end after N changes")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="JSON; for watch, one object a line")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with acting(actor=OPERATOR):
                getattr(self, f"_{verb}")(**options)
        except (BlackboardError, BadPattern) as error:
            raise CommandError(str(error)) from error

    def _get(self, *, key: str, json: bool, **_: Any) -> None:
        entry = queries.get(key)
        if entry is None:
            raise CommandError(f"there is no entry {key}; `blackboard query` lists what there is")
        if json:
            console.write_json(self.stdout, asdict(entry))
        else:
            self.stdout.write(entry.value if isinstance(entry.value, str) else _pretty(entry.value))

    def _put(self, *, key: str, value: str, json: bool, expect: int | None, ttl: float | None, **_: Any) -> None:
        given = sys.stdin.read() if value == "-" else value
        entry = actions.put(key, _parsed(given), by=OPERATOR, expect=expect, ttl_s=ttl, operator=True)
        if json:
            console.write_json(self.stdout, asdict(entry))
        else:
            until = f", until {entry.expires_at:%Y-%m-%d %H:%M:%S} UTC" if entry.expires_at else ""
            self.stdout.write(f"{key} is at version {entry.version}{until}.")

    def _delete(self, *, key: str, json: bool, expect: int | None, **_: Any) -> None:
        version = actions.delete(key, by=OPERATOR, expect=expect, operator=True)
        if json:
            console.write_json(self.stdout, {"key": key, "version": version})
        else:
            self.stdout.write(f"{key} is deleted (version {version}).")

    def _query(self, *, pattern: str, json: bool, limit: int, after: str, **_: Any) -> None:
        found = queries.query(pattern, limit=limit, after=after)
        if json:
            console.write_json(self.stdout, [asdict(entry) for entry in found])
            return
        rows = [(e.key, e.version, e.author, _shown(e.value)) for e in found]
        out = console.console(self.stdout)
        out.print(console.table(("key", "version", "author", "value"), rows, numbers=("version",)))
        if len(found) == limit:
            out.print(f"There may be more: --after {found[-1].key}", markup=False)

    def _watch(self, *, pattern: str, json: bool, since: int | None, count: int | None, **_: Any) -> None:
        to_regex(pattern)
        topics = f"blackboard.{'**' if pattern == '*' else pattern}"
        show = _print_json if json else _print_line
        left = count
        try:
            for event in flow.follow(pattern=topics, after=since):
                show(event)
                left = left - 1 if left is not None else None
                if left is not None and left <= 0:
                    break
        except KeyboardInterrupt:
            pass


def _parsed(given: str) -> Any:
    """The JSON that it is, else the text itself. Not by orjson, to which a whole number above 64 bits is a rounded one.

    Raises: BadValue.
    """
    try:
        return json.loads(given, parse_constant=_no_number)
    except (json.JSONDecodeError, RecursionError):
        return given
    except ValueError as error:  # thousands of digits
        raise BadValue(str(error)) from error


def _no_number(name: str) -> Never:
    raise json.JSONDecodeError("JSON has no such number", name, 0)


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _print_json(event: flow.StoredEvent) -> None:
    """One line, flushed so that pipes see it at once."""
    line = {"position": event.position, "at": event.at, "actor": event.actor, **event.payload}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def _print_line(event: flow.StoredEvent) -> None:
    change = event.payload["change"]
    line = Text(f"{event.at:%H:%M:%S} ", style="dim")
    line.append(f"{event.payload['key']} ")
    line.append(f"{change} ", style=_COLOURS.get(change, "white"))
    line.append(f"v{event.payload['entry_version']} by {event.actor}", style="dim")
    if change == "put":
        line.append(f"  {_shown(event.payload['value'])}")
    Console(highlight=False, soft_wrap=True).print(line)

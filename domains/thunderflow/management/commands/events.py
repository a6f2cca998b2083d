"""`manage.py events`: watch the world's history as it is written, ask what caused what, and how the log stands."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from domains.console import between, console, count, position, table, write_json
from domains.thunderflow import partitions, patterns, queries
from domains.thunderflow.statistics import Statistics, statistics
from domains.thunderflow.subscribers import all_subscribers, replay
from domains.thunderflow.subscribers.actions import SubscriptionError
from domains.thunderflow.trace import MOST, WITHIN_S, Trace, trace

_COLOURS = {"zone": "cyan", "agent": "green", "system": "yellow", "world": "magenta"}


class Command(BaseCommand):
    help = "Read the event log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        tail = verbs.add_parser("tail", help="print events as they are committed; Ctrl-C ends it")
        tail.add_argument("pattern", nargs="?", default="**", help="topics to show: * one token, ** any number")
        tail.add_argument("--since", type=position, metavar="POSITION", help="start after this position, not from now")
        tail.add_argument(
            "--last", type=between(int, 0, queries.WITHIN), default=10, metavar="N", help="first show the newest N (10)"
        )
        tail.add_argument("--count", type=count, metavar="N", help="end after N events")
        tail.add_argument("--json", action="store_true", help="one JSON object a line")

        tracing = verbs.add_parser("trace", help="what one request or heartbeat set off, as a tree of causes")
        tracing.add_argument("correlation_id", type=UUID, help="the X-Correlation-ID of an answer, or of any event")
        tracing.add_argument(
            "--within", type=between(float, 0, 366 * 86_400), default=WITHIN_S, metavar="SECONDS",
            help=f"look so long after its begin ({WITHIN_S:.0f}); an id from outside: so long back from now",
        )  # fmt: skip
        stats = verbs.add_parser("stats", help="how the log stands: topics, streams, rate, size, subscribers' lag")
        stats.add_argument(
            "--last",
            type=between(int, 1, 100_000_000),
            default=100_000,
            metavar="N",
            help="count the newest N (100000)",
        )
        again = verbs.add_parser("replay", help="history between two positions: printed, or sent to a subscriber again")
        again.add_argument(
            "--from", dest="first", type=position, required=True, metavar="POSITION", help="where it begins"
        )
        again.add_argument("--to", dest="last", type=position, metavar="POSITION", help="where it ends (now)")
        again.add_argument("--pattern", help="only topics like this (all; with --subscriber, its own)")
        again.add_argument("--subscriber", metavar="NAME", help="let this subscriber handle them once more")
        again.add_argument("--json", action="store_true", help="one JSON object a line; with --subscriber, one in all")
        for each in (tracing, stats):
            each.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        getattr(self, f"do_{verb}")(**options)

    def do_trace(self, *, correlation_id: UUID, within: float, json: bool, **_: Any) -> None:
        found = trace(correlation_id, within_s=within, now=timezone.now())
        if json:
            steps = [{"depth": step.depth, **asdict(step.event)} for step in found.steps]
            write_json(self.stdout, {"since": found.since, "until": found.until, "events": steps})
            return
        if not found.steps:
            between_them = f"from {found.since:%Y-%m-%d %H:%M:%S} to {found.until:%Y-%m-%d %H:%M:%S} UTC"
            raise CommandError(f"no event of {correlation_id} {between_them}; --within looks further")
        print_trace(console(self.stdout), found)

    def do_stats(self, *, last: int, json: bool, **_: Any) -> None:
        found = statistics(within=last)
        if json:
            write_json(self.stdout, asdict(found))
        else:
            print_statistics(console(self.stdout), found)

    def do_replay(self, *, first: int, last: int | None, **options: Any) -> None:
        oldest, newest = partitions.oldest(), queries.settled()
        until = newest if last is None else last
        if not oldest <= first <= until:
            raise CommandError(f"--from {first} --to {until} names nothing: the log goes from {oldest} to {newest}")
        try:
            if options["subscriber"]:
                self._send(first, until, **options)
                return
            for batch, _ in replay.events(first=first, last=until, pattern=options["pattern"] or "**"):
                for event in batch:
                    (print_json if options["json"] else Printer())(event)
        except (patterns.BadPattern, SubscriptionError) as error:
            raise CommandError(str(error)) from error

    def _send(self, first: int, last: int, *, subscriber: str, pattern: str | None, json: bool, **_: Any) -> None:
        """With a bar on standard error. One that is cut off says where to go on."""
        declared = {one.name: one for one in all_subscribers()}
        if subscriber not in declared:
            raise CommandError(
                f"no code declares a subscriber {subscriber!r}; there are: {', '.join(declared) or 'none'}"
            )
        reached = first - 1

        def done(_: int, position: int) -> None:
            nonlocal reached
            bar.update(task, completed=(reached := position) - first + 1)

        with Progress(console=Console(stderr=True), disable=json) as bar:
            task = bar.add_task(f"to {subscriber}", total=last - first + 1)
            try:
                sent = replay.replay(declared[subscriber], first=first, last=last, pattern=pattern, done=done)
            except (patterns.BadPattern, SubscriptionError):
                raise
            except (Exception, KeyboardInterrupt) as error:
                raise CommandError(
                    f"{error!r}; what came before has taken effect: go on with --from {reached + 1}"
                ) from error
        if json:
            write_json(self.stdout, {"count": sent, "from": first, "to": last})
        else:
            self.stdout.write(f"{sent:,} events sent to {subscriber} again.")

    def do_tail(self, **options: Any) -> None:
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
        after = queries.settled()
        yield from reversed(queries.latest(pattern=options["pattern"], limit=options["last"], upto=after))
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
        self.console.print(line + _told(event))


def _told(event: queries.StoredEvent) -> Text:
    line = Text(event.topic, style=_COLOURS.get(event.topic.split(".")[0], "white"))
    return line.append("  " + describe(event.payload), style="default")


def print_trace(out: Console, found: Trace[queries.StoredEvent]) -> None:
    """Effects stand under their cause, a step further in; the milliseconds are those since the first event."""
    first = min(step.event.at for step in found.steps)
    for step in found.steps:
        event = step.event
        line = Text(f"{(event.at - first).total_seconds() * 1000:>9,.0f} ms {event.position:>8} ", style="dim")
        line.append("  " * step.depth + ("└ " if step.depth else ""), style="dim")
        line.append_text(_told(event)).append(f"  {event.actor}", style="dim")
        out.print(line)
    if len(found.steps) == MOST:
        out.print(Text(f"Only the first {MOST:,} events are shown.", style="yellow"))


def print_statistics(out: Console, found: Statistics) -> None:
    """A few lines, then tables."""
    out.print(f"position {found.newest:,}, settled up to {found.settled:,}")
    out.print(f"{found.leaves} leaves, {found.bytes / 1e6:,.1f} MB")
    out.print(f"{found.events:,} events among the newest {found.within:,} positions, {found.per_s:,} a second\n")
    out.print(table(["topic", "events"], found.topics.items(), numbers=["events"]))
    out.print()
    out.print(table(["streams", "events"], found.streams.items(), numbers=["events"]))
    if found.subscriptions:
        columns = ["subscriber", "pattern", "lag", "handled", "parked", "dead letters", "breaker", "paused"]
        rows = [
            (s.name, s.pattern, s.lag, s.handled, s.parked, s.dead_letters, s.breaker, "yes" if s.paused else "")
            for s in found.subscriptions
        ]
        out.print()
        out.print(table(columns, rows, numbers=columns[2:6]))


def describe(payload: dict[str, Any]) -> str:
    """The payload's narrative if it has one, else its fields as `key=value`."""
    if story := payload.get("narrative"):
        return str(story)
    return " ".join(f"{key}={value}" for key, value in payload.items() if value not in (None, "", [], {}))

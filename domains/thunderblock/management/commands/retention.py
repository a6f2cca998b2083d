"""`manage.py retention [list|set|run]`: how much is kept of what grows, what would go, and who holds it up."""

from __future__ import annotations

import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domains import console
from domains.thunderblock import queries, retention
from domains.thunderflow.context import acting

OPERATOR = "operator"
UNITS = {"": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}


class Command(BaseCommand):
    help = "How much is kept of the event log, the tick logs and the record of model calls."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb")
        parser.add_argument("--json", action="store_true", help="one JSON document")
        listing = verbs.add_parser("list", help="stores, their policies, what would go and what holds it up")
        change = verbs.add_parser("set", help="change a store's policy")
        change.add_argument("store", metavar="STORE")
        change.add_argument("--keep-days", type=_days, default=..., metavar="N|forever", help="what is older goes")
        change.add_argument("--max-bytes", type=_bytes, default=..., metavar="SIZE|none", help="500MB, 10GB, …")
        change.add_argument("--on", dest="enabled", action="store_true", default=..., help="carry it out")
        change.add_argument("--off", dest="enabled", action="store_false", help="let nothing go")
        carry = verbs.add_parser("run", help="let go of what should go, now")
        for verb in (listing, change, carry):
            # Left out, it is what was said before the verb.
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="one JSON document")

    def handle(self, *args: Any, verb: str | None, json: bool, **options: Any) -> None:
        retention.sync()
        with acting(actor=OPERATOR):
            if verb == "run":
                self._run(json)
                return
            if verb == "set":
                _set(**{name: options[name] for name in ("store", "keep_days", "max_bytes", "enabled")})
        found = [row for row in queries.kept(timezone.now()) if verb != "set" or row.store == options["store"]]
        if json:
            console.write_json(self.stdout, [asdict(row) for row in found])
        else:
            self._show(found)

    def _show(self, found: list[queries.StoreStatus]) -> None:
        out = console.console(self.stdout)
        rows = [
            (
                row.store,
                _size(row.size_bytes),
                f"{row.oldest_at:%Y-%m-%d}" if row.oldest_at else None,
                "for ever" if row.keep_days is None else f"{row.keep_days} days",
                "no ceiling" if row.max_bytes is None else _size(row.max_bytes),
                _goes(row) if row.enabled else "switched off",
            )
            for row in found
        ]
        columns = ("store", "size", "oldest", "kept", "at most", "would go")
        out.print(console.table(columns, rows, numbers=("size", "at most")))
        for row in found:
            for name, behind in {h.name: h.behind for piece in row.goes for h in piece.held_by}.items():
                out.print(f"{row.store}: held up by {name}, which has {behind:,} events to read", markup=False)

    def _run(self, json: bool) -> None:
        busy: list[str] = []
        gone = retention.run(now=timezone.now(), busy=busy.append)
        for reason in busy:
            self.stderr.write(f"Not now: {reason}")
        if json:
            console.write_json(self.stdout, [asdict(what) for what in gone])
            return
        out = console.console(self.stdout)
        for what in gone:
            out.print(f"{what.name}: about {what.rows:,} rows, {_size(what.bytes)}, for {what.reason}", markup=False)
        if not gone and not busy:
            out.print("Nothing went.")


def _set(store: str, **changes: Any) -> None:
    changes = {name: value for name, value in changes.items() if value is not ...}
    if not changes:
        raise CommandError("set what? --keep-days, --max-bytes, --on or --off")
    try:
        retention.set_policy(store, by=OPERATOR, **changes)
    except retention.RetentionError as error:
        raise CommandError(str(error)) from error


def _goes(row: queries.StoreStatus) -> str:
    if not row.goes:
        return "nothing"
    return f"{len(row.goes)} pieces, {_size(sum(piece.bytes for piece in row.goes))}, up to {row.goes[-1].name}"


def _size(count: int) -> str:
    """Bytes, for people."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def _days(text: str) -> int | None:
    if text in ("forever", "ever"):
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise ArgumentTypeError(f"{text!r} is neither a number of days nor `forever`")
    return int(text)


def _bytes(text: str) -> int | None:
    if text == "none":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?b|)", text.lower())
    if not found:
        raise ArgumentTypeError(f"{text!r} is neither a size such as 500MB or 10GB nor `none`")
    size = float(found[1]) * UNITS["" if found[2] == "b" else found[2]]
    if size >= 2**63:
        raise ArgumentTypeError(f"{text!r} is more than any disk has; `none` is no ceiling")
    return int(size)

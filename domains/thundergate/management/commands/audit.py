"""`manage.py audit [list|show|sync]`: who did what to which object, from where, before and after."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from domains import console
from domains.audit import watched
from domains.console import between
from domains.thundergate.audit import queries, triggers
from domains.thundergate.audit.models import AuditEntry

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Command(BaseCommand):
    help = "The audit trail: who did what to which object, from where, before and after."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document")
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the latest changes, newest first")
        listing.add_argument("--actor", default="", metavar="NAME", help="user's name, or operator, system, role:…")
        listing.add_argument("--table", default="", choices=["", *watched()], metavar="TABLE", help="worlds, users, …")
        listing.add_argument("--object", default="", dest="object_id", metavar="ID")
        listing.add_argument("--door", default="", choices=["", *AuditEntry.Door.values], metavar="DOOR")
        listing.add_argument("--correlation", type=UUID, dest="correlation_id", metavar="ID")
        listing.add_argument("--since", type=_instant, metavar="WHEN", help="30m, 2h, 7d, or an ISO date or instant")
        listing.add_argument("--until", type=_instant, metavar="WHEN")
        listing.add_argument("--limit", type=between(int, 1, 100_000), default=50, help="entries at most (50)")
        show = verbs.add_parser("show", help="one change, column by column")
        show.add_argument("id", type=between(int, 1, 2**62), metavar="ID")
        sync = verbs.add_parser("sync", help="mend the triggers, as migrating does")
        for verb in (listing, show, sync):
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="one JSON document")

    def handle(self, *args: Any, verb: str, json: bool, **options: Any) -> None:
        if verb == "sync":
            self._sync(json)
        elif verb == "show":
            self._show(options["id"], json)
        else:
            names = ("actor", "table", "object_id", "door", "correlation_id", "since", "until")
            self._list(json, options["limit"], {name: options[name] for name in names})

    def _list(self, json: bool, limit: int, wanted: dict[str, Any]) -> None:
        found = list(queries.entries(**wanted)[:limit])
        if json:
            console.write_json(self.stdout, [queries.plain(entry) for entry in found])
            return
        rows = [
            (entry.pk, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.door, entry.action, entry.table,
             entry.object_id, ", ".join(name for name, _, _ in entry.changes()))
            for entry in found
        ]  # fmt: skip
        columns = ("id", "at", "actor", "door", "action", "table", "object", "columns")
        console.console(self.stdout).print(console.table(columns, rows, numbers=("id",)))

    def _show(self, entry_id: int, json: bool) -> None:
        entry = AuditEntry.objects.filter(pk=entry_id).first()
        if entry is None:
            raise CommandError(f"there is no change {entry_id}; `manage.py audit list` has the latest")
        if json:
            console.write_json(self.stdout, queries.plain(entry))
            return
        for name, value in queries.plain(entry).items():
            if name not in ("before", "after") and value not in (None, ""):
                self.stdout.write(f"{name:15}  {value}")
        rows = [(name, console.shown(before), console.shown(after)) for name, before, after in entry.changes()]
        console.console(self.stdout).print(console.table(("column", "before", "after"), rows))

    def _sync(self, json: bool) -> None:
        done = triggers.sync()
        if json:
            console.write_json(self.stdout, done)
        else:
            self.stdout.write("\n".join(done) or "The triggers are as they should be.")


def _instant(text: str) -> datetime:
    if text[:-1].isdecimal() and text[-1] in UNITS and len(text) < 9:
        return timezone.now() - timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
    try:
        at = parse_datetime(text)
        day = None if at else parse_date(text)
    except ValueError:
        at = day = None
    if at is None and day is not None:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if at is None:
        raise ArgumentTypeError(f"{text!r} is neither an age such as 2h or 7d nor an ISO date or instant")
    return at if at.tzinfo else at.replace(tzinfo=UTC)

"""`manage.py redact …`: forgetting an agent or a person, checking the logs since, and giving out what is held."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agents import forgetting
from agents import queries as agents
from agents.errors import NotFound
from domains import console
from domains.fields import Undecipherable
from domains.redaction import BadName, Subject
from domains.thundergate import redactions
from domains.thundergate.redactions import NoSuchRedaction, Redaction, RedactionError

OPERATOR = "operator"
SURE = "yes"
FIELDS = ("id", "kind", "about", "status", "round", "waits_for", "by", "reason", "requested_at", "done_at", "counts")


class Command(BaseCommand):
    help = "Forget an agent or a person everywhere, check the logs, or export all that is held about somebody."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        agent = verbs.add_parser("agent", help="forget an agent: it is archived, and what it was goes")
        person = verbs.add_parser("person", help="forget a person: an account, a name that agents speak of, or both")
        _add_agent(agent)
        _add_person(person)
        for verb in (agent, person):
            verb.add_argument("--reason", default="", metavar="TEXT", help="kept for good; must not name them")
            verb.add_argument(
                "--dry-run", action="store_true", help="count what would go, by table, and change nothing"
            )
            verb.add_argument("--yes", action="store_true", help="do not ask")
        resume = verbs.add_parser("resume", help="go on with what was interrupted or had to wait")
        resume.add_argument("id", nargs="?", type=UUID, metavar="ID", help="one of them; all if left out")
        for verb in (agent, person, resume):
            verb.add_argument("--patience", type=console.between(float, 0, 86_400), default=redactions.PATIENCE_S,
                              metavar="SECONDS", help="wait so long for what is under way (60)")  # fmt: skip
        verbs.add_parser("list", help="who was forgotten when, and how much that was; no names are kept")
        verify = verbs.add_parser("verify", help="whether the logs are whole, and altered by redactions only")
        verify.add_argument("--expect", default="", metavar="HEAD", help="the last seal of an earlier check")
        export = verbs.add_parser("export", help="write all that is held about somebody as JSON lines")
        whom = export.add_subparsers(dest="whom", required=True)
        for name, add in (("agent", _add_agent), ("person", _add_person)):
            sort = whom.add_parser(name)
            add(sort)
            sort.add_argument("file", metavar="FILE", help="must not be there yet")
            sort.add_argument("--json", action="store_true", help="one JSON document")
        for verb in verbs.choices.values():
            if verb is not export:
                verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, json: bool, **options: Any) -> None:
        try:
            with _bar() as bar:
                getattr(self, f"_{verb}")(json, bar, **options)
        except (RedactionError, BadName, NotFound, Undecipherable) as error:
            raise CommandError(str(error)) from error

    def _agent(self, json: bool, bar: Bar, *, name: str, world: str | None, **options: Any) -> None:
        self._forget(forgetting.subject(agents.find(name, world=world)), json, bar, **options)

    def _person(self, json: bool, bar: Bar, *, user: str | None, name: list[str], **options: Any) -> None:
        self._forget(_meant(user, name), json, bar, **options)

    def _forget(
        self,
        subject: Subject,
        json: bool,
        bar: Bar,
        *,
        reason: str,
        dry_run: bool,
        yes: bool,
        patience: float,
        **_: Any,
    ) -> None:
        if not dry_run:
            redactions.check(subject, by=OPERATOR, reason=reason)
        if dry_run or not yes:
            found = redactions.preview(subject, bar.tell)
            bar.stop()
            if dry_run:
                self._show_counts(found, json)
                return
            self._show_counts(found, False, self.stderr)
            self._confirm(subject)
        self._run(redactions.request(subject, by=OPERATOR, reason=reason).pk, json, bar, patience)

    def _confirm(self, subject: Subject) -> None:
        """Raises: CommandError."""
        self.stderr.write(f"All of this goes for good, wherever {' or '.join(subject.words.names)} is named.")
        if not sys.stdin.isatty():
            raise CommandError("nobody is there to be asked: say --yes, or --dry-run to look only")
        if input(f"Type {SURE} to go on: ").strip() != SURE:
            raise CommandError("nothing was changed")

    def _resume(self, json: bool, bar: Bar, *, id: UUID | None, patience: float, **_: Any) -> None:
        waiting = redactions.open_ones()
        if id is not None and id not in waiting:
            raise NoSuchRedaction(f"no redaction {id} is to be gone on with")
        for one in [id] if id is not None else waiting:
            self._run(one, json, bar, patience)
        if not waiting:
            self.stderr.write("There is nothing to go on with.")

    def _run(self, redaction_id: UUID, json: bool, bar: Bar, patience: float) -> None:
        row = redactions.run(redaction_id, tell=bar.tell, patience_s=patience)
        bar.stop()
        self._show([row], json)
        if row.status != Redaction.Status.DONE:
            raise CommandError(f"not done yet: {row.waits_for}; go on with `redact resume {row.pk}`")

    def _list(self, json: bool, bar: Bar, **_: Any) -> None:
        self._show(redactions.everything(), json)

    def _verify(self, json: bool, bar: Bar, *, expect: str, **_: Any) -> None:
        report = redactions.verify(bar.reached, expect=expect)
        bar.stop()
        if json:
            console.write_json(self.stdout, {name: getattr(report, name) for name in report.__slots__} | {
                "redactions": sorted(map(str, report.redactions))})  # fmt: skip
        else:
            self.stdout.write(
                f"{report.events:,} events under {report.seals:,} seals ({report.gone:,} gone by retention), "
                f"{report.redacted:,} rows redacted by {len(report.redactions):,} redactions; "
                f"{report.unsealed:,} positions not sealed yet.\n"
                f"The last seal is {report.head or 'none'}: noted elsewhere, it can be asked for with --expect."
            )
            for problem in report.problems:
                self.stdout.write(f"- {problem}")
        if report.problems:
            raise CommandError(f"{len(report.problems)} problems")

    def _export(self, json: bool, bar: Bar, *, whom: str, file: str, name: Any, **options: Any) -> None:
        if whom == "agent":
            subject = forgetting.subject(agents.find(name, world=options["world"]))
        else:
            subject = _meant(options["user"], name)
        lines = redactions.export(subject, now=timezone.now(), tell=bar.tell)
        count = _write(Path(file), lines) - 2
        bar.stop()
        if json:
            console.write_json(self.stdout, {"file": file, "rows": count})
        else:
            self.stdout.write(f"{count:,} rows in {file}. It is as private as whom it is about.")

    def _show(self, rows: list[Redaction], json: bool) -> None:
        if json:
            data = [{name: getattr(row, name) for name in FIELDS} for row in rows]
            console.write_json(self.stdout, data[0] if len(data) == 1 else data)
            return
        cells = [
            (row.pk, row.kind, row.status, f"{row.requested_at:%Y-%m-%d %H:%M}", row.by, row.reason,
             f"{sum(sum(of.values()) for of in row.counts.values()):,}")
            for row in rows
        ]  # fmt: skip
        columns = ("id", "what", "status", "asked", "by", "reason", "rows")
        console.console(self.stdout).print(console.table(columns, cells, numbers=("rows",)))

    def _show_counts(self, found: dict[str, dict[str, int]], json: bool, stream: Any = None) -> None:
        if json:
            console.write_json(self.stdout, found)
            return
        rows = [(name, of["changed"], of["removed"]) for name, of in found.items()]
        out = console.console(stream or self.stdout)
        out.print(console.table(("where", "redacted", "removed"), rows, numbers=("redacted", "removed")))


def _add_agent(verb: ArgumentParser) -> None:
    verb.add_argument("name", metavar="AGENT", help="name or id")
    verb.add_argument("--world", metavar="WORLD", help="where it lives, when several have one of that name")


def _add_person(verb: ArgumentParser) -> None:
    verb.add_argument("--user", metavar="USER", help="the name of their account, which counts as a name too")
    verb.add_argument(
        "--name", "--alias", action="append", default=[], metavar="NAME", help="may be given several times"
    )


def _meant(user: str | None, names: list[str]) -> Subject:
    return redactions.person(names, user=None if user is None else redactions.account(user))


def _write(path: Path, lines: Iterator[bytes]) -> int:
    """Write a file that only its owner may read, whole or not at all. Returns how many lines. Raises: CommandError."""
    if path.exists():
        raise CommandError(f"{path} is there already")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            for line in lines:
                out.write(line)
                count += 1
            out.flush()
            os.fsync(out.fileno())
        os.link(partial, path)  # unlike a rename, it takes nobody's place
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


class Bar:
    """How far it is, on standard error, if somebody looks."""

    def __init__(self, shown: Progress | None) -> None:
        self._shown = shown
        self._task = shown.add_task("", total=None) if shown else None

    def tell(self, now: redactions.Progress) -> None:
        """Of a redaction or an export."""
        self._update(f"round {now.round}: {now.holding} ({now.seen:,})", now.place, now.of)

    def reached(self, done: int, of: int) -> None:
        """Of a check of the log."""
        self._update("events", done, of)

    def stop(self) -> None:
        """Before something is printed."""
        if self._shown:
            self._shown.stop()

    def _update(self, what: str, done: int, of: int) -> None:
        if self._shown and self._task is not None:
            self._shown.update(self._task, description=what, completed=done, total=of)


@contextmanager
def _bar() -> Iterator[Bar]:
    if not sys.stderr.isatty():
        yield Bar(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bar(shown)

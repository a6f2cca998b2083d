"""`manage.py deadletters list|show|retry|discard`: events that subscribers could not handle."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from domains import console
from domains.thunderflow.faults import CLASSES
from domains.thunderflow.models import DeadLetter
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.subscribers import actions

BY = "operator"


class Command(BaseCommand):
    help = "Events that subscribers could not handle: look at them, send them again, or let them go."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest first")
        listing.add_argument("--status", choices=[*DeadLetter.Status.values, "all"], default=DeadLetter.Status.WAITING)
        listing.add_argument("--limit", type=console.between(int, 1, 100_000), default=50)
        show = verbs.add_parser("show", help="one, whole")
        show.add_argument("id", type=UUID)
        for verb, text in (("retry", "send to the subscriber again"), ("discard", "let go for good")):
            resolve = verbs.add_parser(verb, help=f"{text}: those named, or all that a filter finds")
            resolve.add_argument("ids", nargs="*", type=UUID, metavar="ID")
            resolve.add_argument("--all", action="store_true", help="every one that waits")
        for each in verbs.choices.values():
            each.add_argument("--json", action="store_true", help="one JSON document")
        for name in ("list", "retry", "discard"):
            each = verbs.choices[name]
            each.add_argument("--subscriber", metavar="NAME", help="only of this subscriber")
            each.add_argument("--pattern", help="only topics like this: * one token, ** any number")
            each.add_argument("--error", choices=CLASSES, help="only with an error of this class")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(options)
        except (actions.SubscriptionError, BadPattern) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        status = None if options["status"] == "all" else options["status"]
        found = list(_filtered(options, status=status)[: options["limit"]])
        if options["json"]:
            console.write_json(self.stdout, [_plain(letter) for letter in found])
            return
        rows = [
            (
                letter.pk, letter.subscription.name, letter.topic, f"{letter.failed_at:%Y-%m-%d %H:%M:%S}",
                letter.attempts, letter.status, letter.error[:100],
            )
            for letter in found
        ]  # fmt: skip
        columns = ("id", "subscriber", "topic", "failed", "tries", "status", "error")
        console.console(self.stdout).print(console.table(columns, rows, numbers=("tries",)))
        if not found:
            self.stdout.write("No dead letters.")

    def _show(self, options: dict[str, Any]) -> None:
        letter = DeadLetter.objects.select_related("subscription").filter(pk=options["id"]).first()
        if letter is None:
            raise CommandError(f"there is no dead letter {options['id']}")
        plain = _plain(letter) | {"event": letter.event, "traceback": letter.traceback}
        if options["json"]:
            console.write_json(self.stdout, plain)
            return
        plain |= {f"event {name}": value for name, value in plain.pop("event").items()}
        trace = plain.pop("traceback")
        console.console(self.stdout).print(console.table(("", ""), plain.items()))
        self.stdout.write(trace)

    def _retry(self, options: dict[str, Any]) -> None:
        self._resolve(options, actions.retry, "sent again")

    def _discard(self, options: dict[str, Any]) -> None:
        self._resolve(options, actions.discard, "discarded")

    def _resolve(self, options: dict[str, Any], resolve: Any, what: str) -> None:
        named = any(options[name] for name in ("ids", "all", "subscriber", "pattern", "error"))
        if not named:
            raise CommandError("name some, filter by --subscriber, --pattern or --error, or say --all")
        found = _filtered(options, ids=options["ids"] or None)
        if missing := set(options["ids"]) - set(found.values_list("pk", flat=True)):
            raise CommandError(f"no dead letter that waits has the id {min(missing)}; nothing was changed")
        count = resolve(found, by=BY)
        if options["json"]:
            console.write_json(self.stdout, {"count": count})
        else:
            self.stdout.write(f"{count} dead letter{'' if count == 1 else 's'} {what}.")


def _filtered(
    options: dict[str, Any], *, status: str | None = DeadLetter.Status.WAITING, ids: list[UUID] | None = None
) -> QuerySet[DeadLetter]:
    return actions.dead_letters(
        subscription=options["subscriber"], pattern=options["pattern"], error_class=options["error"], status=status,
        ids=ids,
    )  # fmt: skip


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.pk, "subscriber": letter.subscription.name, "topic": letter.topic, "stream": letter.stream,
        "seq": letter.seq, "position": letter.position, "status": letter.status, "attempts": letter.attempts,
        "error_class": letter.error_class, "error": letter.error, "first_failed_at": letter.first_failed_at,
        "failed_at": letter.failed_at, "resolved_at": letter.resolved_at, "resolved_by": letter.resolved_by,
    }  # fmt: skip

"""`manage.py alerts [list|rules|check|ack]`: what needs a person, and what is looked at."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domains import console
from domains.console import between
from domains.thunderflow.context import acting
from domains.thundergate.alerts import actions, queries

OPERATOR = "operator"


class Command(BaseCommand):
    help = "Alerts: what rules over metrics and events found."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document")
        verbs = parser.add_subparsers(dest="verb")
        listing = verbs.add_parser("list", help="those that fire")
        listing.add_argument("--all", dest="over", action="store_true", help="pending and resolved ones too")
        listing.add_argument("--limit", type=between(int, 1, 100_000), default=100, help="alerts at most (100)")
        rules = verbs.add_parser("rules", help="what is looked at")
        check = verbs.add_parser("check", help="look at every rule now")
        ack = verbs.add_parser("ack", help="say that somebody sees to alerts")
        ack.add_argument("ids", nargs="+", type=between(int, 1, 2**62), metavar="ID")
        for verb in (listing, rules, check, ack):
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="one JSON document")

    def handle(self, *args: Any, verb: str | None, json: bool, **options: Any) -> None:
        with acting(actor=OPERATOR):
            match verb:
                case "rules":
                    self._rules(json)
                case "check":
                    self._check(json)
                case "ack":
                    self._ack(options["ids"], json)
                case _:
                    self._list(options.get("over", False), options.get("limit", 100), json)

    def _list(self, over: bool, limit: int, json: bool) -> None:
        found = list((queries.alerts(over=True) if over else queries.firing())[:limit])
        if json:
            console.write_json(self.stdout, [queries.plain(alert) for alert in found])
            return
        if not found:
            self.stdout.write("There are no alerts." if over else "Nothing fires.")
            return
        rows = [
            (alert.pk, alert.state, alert.severity, f"{alert.since:%Y-%m-%d %H:%M:%S}", alert.acknowledged_by,
             queries.sentence(alert))
            for alert in found
        ]  # fmt: skip
        columns = ("id", "state", "severity", "since", "seen to by", "what")
        console.console(self.stdout).print(console.table(columns, rows, numbers=("id",)))

    def _rules(self, json: bool) -> None:
        found = [queries.rule_plain(rule) for rule in queries.rules()]
        if json:
            console.write_json(self.stdout, found)
            return
        rows = [
            (rule["name"], "on" if rule["enabled"] else "off", rule["severity"], rule["metric"] or rule["topic"],
             f"{rule['comparison']} {rule['threshold']:,g}" if rule["kind"] == "metric" else f"{rule['count']} times",
             f"{rule['seconds']} s")
            for rule in found
        ]  # fmt: skip
        columns = ("rule", "", "severity", "looks at", "when", "for or within")
        console.console(self.stdout).print(console.table(columns, rows))

    def _check(self, json: bool) -> None:
        outcome = actions.evaluate(now=timezone.now())
        if outcome is None:
            raise CommandError("another process is looking just now")
        if json:
            console.write_json(self.stdout, asdict(outcome))
        else:
            self.stdout.write(f"{outcome.raised} raised, {outcome.resolved} resolved; {outcome.firing} fire.")

    def _ack(self, ids: list[int], json: bool) -> None:
        try:
            count = actions.acknowledge(ids, by=OPERATOR, now=timezone.now())
        except actions.AlertError as error:
            raise CommandError(f"{error} ({error.code})") from error
        if json:
            console.write_json(self.stdout, {"acknowledged": count})
        else:
            self.stdout.write(f"{count} acknowledged.")

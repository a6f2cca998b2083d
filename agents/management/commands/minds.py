"""`manage.py minds`: which models agents may ask, what that costs and may cost, and the switch that stops all of it."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from getpass import getpass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from agents import actions, queries
from agents.errors import AgentError
from agents.minds import usage
from agents.models import Endpoint
from domains import console
from domains.console import between
from domains.thunderflow.context import acting
from zones import queries as zones
from zones.errors import ZoneError

OPERATOR = "operator"
_LIMITS: dict[str, tuple[Callable[[str], Any], str]] = {
    "timeout-s": (between(float, 0.1, 600), "longest that a call may take"),
    "max-tries": (between(int, 1, 10), "calls for one decision"),
    "max-in-flight": (between(int, 1, 10_000), "calls at once, of each reasoner process"),
    "max-tokens": (between(int, 1, 1_000_000), "longest answer"),
}


class Command(BaseCommand):
    help = "Models that agents think with: endpoints, prices, spending, and the switch."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("status", help="endpoints, reasoner processes, the switch")
        spent = verbs.add_parser("usage", help="where money went, by endpoint, world and agent")
        spent.add_argument("--by", choices=["endpoint", "world", "agent"], help="only one of them")
        spent.add_argument("--days", type=between(int, 1, 3660), default=1, help="today and the days before (1)")
        spent.add_argument("--limit", type=between(int, 1, 10_000), default=20, help="agents at most (20)")
        calls = verbs.add_parser("calls", help="the latest calls")
        calls.add_argument("--agent", metavar="NAME", help="only of this agent")
        calls.add_argument("--limit", type=between(int, 1, 10_000), default=20, help="at most (20)")
        _add_add(verbs.add_parser("add", help="name a model at an address"))
        remove = verbs.add_parser("remove", help="forget an endpoint; its calls stay on record")
        remove.add_argument("name", metavar="NAME")
        price = verbs.add_parser("price", help="what a model's tokens cost, in US dollars a million")
        price.add_argument("model", metavar="MODEL", help="as its endpoint calls it")
        price.add_argument("prompt", type=_money, metavar="QUESTION", help="a million tokens asked")
        price.add_argument("completion", type=_money, metavar="ANSWER", help="a million tokens answered")
        _add_cap(verbs.add_parser("cap", help="the most that may be spent in an hour or a day"))
        stop = verbs.add_parser("stop", help="stop all model calls at once; the rules decide meanwhile")
        stop.add_argument("--reason", default="no reason given", help="shown to everybody who asks why")
        verbs.add_parser("start", help="let models be called again")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with acting(actor=OPERATOR):
                getattr(self, f"_{verb}")(**options)
        except (AgentError, ZoneError) as error:
            raise CommandError(str(error)) from error

    def _status(self, *, json: bool, **_: Any) -> None:
        found = usage.status()
        if json:
            console.write_json(self.stdout, found)
            return
        out = console.console(self.stdout)
        out.print(found["switch"], markup=False)
        columns = ("endpoint", "model", "address", "tier", "state", "price, question/answer a million")
        out.print(console.table(columns, [[row[name] for name in _SHOWN] for row in found["endpoints"]]))
        for row in found["caps"]:
            out.print(f"cap: {row}", markup=False)
        alive = [f"{p['node']}:{p['pid']} ({p['in_flight']} calls under way)" for p in found["reasoners"]]
        out.print(f"reasoner processes: {', '.join(alive) or 'none; `manage.py up` runs one'}")
        if found["waiting"]:
            out.print(f"{found['waiting']} agents are due and not being asked.")

    def _usage(self, *, json: bool, by: str | None, days: int, limit: int, **_: Any) -> None:
        found = usage.spent(days=days, scopes=[by] if by else usage.SCOPES, limit=limit)
        if json:
            console.write_json(self.stdout, found)
            return
        out = console.console(self.stdout)
        for scope, rows in found.items():
            out.print(f"\n[bold]by {scope}[/bold]" if rows else f"\nby {scope}: nothing")
            if rows:
                _print_usage(out, scope, rows)

    def _calls(self, *, json: bool, agent: str | None, limit: int, **_: Any) -> None:
        agent_id = queries.find(agent).pk if agent else None
        found = usage.calls(agent_id=agent_id, limit=limit)
        if json:
            console.write_json(self.stdout, found)
            return
        columns = ("at", "agent", "model", "status", "tokens", "cost", "ms", "error")
        lines = [
            (f"{c['at']:%H:%M:%S}", c["agent"], c["model"], c["status"], c["prompt_tokens"] + c["completion_tokens"],
             _dollars(c["cost"]), f"{c['ms']:.0f}" if c["ms"] else "", c["error"][:80])
            for c in found
        ]  # fmt: skip
        console.console(self.stdout).print(console.table(columns, lines, numbers=("tokens", "cost", "ms")))

    def _add(
        self, *, name: str, url: str, model: str, json: bool, key: bool, key_env: str | None, **fields: Any
    ) -> None:
        secret = getpass("Key: ") if key else os.environ.get(key_env or "", "")
        if key_env and not secret:
            raise CommandError(f"--key-env: there is no {key_env} in the environment")
        given = {column: value for column, value in fields.items() if column in _COLUMNS and value is not None}
        endpoint = actions.add_endpoint(
            name=name, base_url=url, model=model, api_key=secret, by=OPERATOR, **given
        )  # fmt: skip
        self._say(json, {"name": name, "model": model}, f"{endpoint.name} can be asked. {_HOW.format(name=name)}")

    def _remove(self, *, name: str, json: bool, **_: Any) -> None:
        actions.remove_endpoint(name, by=OPERATOR)
        self._say(json, {"name": name}, f"{name} is forgotten.")

    def _price(self, *, model: str, prompt: Decimal, completion: Decimal, json: bool, **_: Any) -> None:
        actions.set_price(model, prompt=prompt, completion=completion, by=OPERATOR)
        data = {"model": model, "prompt": str(prompt), "completion": str(completion)}
        self._say(json, data, f"{model}: {prompt} and {completion} US dollars a million tokens.")

    def _cap(
        self, *, scope: str, most: Decimal | None, per: str, of: str, name: str | None, json: bool, **_: Any
    ) -> None:
        cap = actions.set_cap(
            scope, period=per, measure=of, most=most, target_id=_target(scope, name) if name else None, by=OPERATOR
        )
        self._say(json, {"cap": str(cap) if cap else None}, str(cap) if cap else "There is no such cap any more.")

    def _stop(self, *, reason: str, json: bool, **_: Any) -> None:
        actions.stop_calls(by=OPERATOR, reason=reason)
        self._say(json, {"calls_allowed": False}, "No model is called any more. `manage.py minds start` lets them be.")

    def _start(self, *, json: bool, **_: Any) -> None:
        actions.allow_calls(by=OPERATOR)
        self._say(json, {"calls_allowed": True}, "Models may be called.")

    def _say(self, json: bool, data: Any, words: str) -> None:
        if json:
            console.write_json(self.stdout, data)
        else:
            self.stdout.write(words)


_COLUMNS = ("tier", "structured", "timeout_s", "max_tries", "max_in_flight", "max_tokens")
_SHOWN = ("name", "model", "base_url", "tier", "state", "price")
_HOW = "An agent asks it with the reasoner openai and the model {name}."


def _add_add(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as agents will name it in their field `model`")
    parser.add_argument("--url", required=True, help="base URL, such as http://127.0.0.1:11434/v1")
    parser.add_argument("--model", required=True, help="as the endpoint calls it")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--key", action="store_true", help="ask for its key")
    secret.add_argument("--key-env", metavar="NAME", help="take its key from this environment variable")
    parser.add_argument("--tier", choices=Endpoint.Tier.values, help="what the router takes it for (standard)")
    parser.add_argument(
        "--structured", choices=Endpoint.Structured.values, help="how it is asked to answer in JSON (schema)"
    )
    for name, (kind, text) in _LIMITS.items():
        parser.add_argument(f"--{name}", type=kind, help=text)


def _add_cap(parser: ArgumentParser) -> None:
    parser.add_argument("scope", choices=usage.SCOPES, help="what is capped")
    parser.add_argument("most", type=_money_or_none, metavar="MOST", help="the most, or none to take the cap away")
    parser.add_argument("--name", help="only this one; without it, each by itself")
    parser.add_argument("--per", choices=["hour", "day"], default="day", help="UTC (day)")
    parser.add_argument("--of", choices=["cost", "tokens", "calls"], default="cost", help="US dollars if cost (cost)")


def _money(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value < 10_000_000_000):
        raise CommandError(f"{text!r} is no amount")
    return value


def _money_or_none(text: str) -> Decimal | None:
    return None if text == "none" else _money(text)


def _target(scope: str, name: str) -> UUID:
    """Raises: NotFound."""
    if scope == "world":
        return UUID(str(zones.world(name).pk))
    if scope == "agent":
        return UUID(str(queries.find(name).pk))
    return actions.find_endpoint(name).pk


def _dollars(amount: Decimal) -> str:
    return f"{amount:.4f}"


def _print_usage(out: Console, scope: str, rows: list[dict[str, Any]]) -> None:
    lines = [
        (row["name"], row["calls"], f"{row['tokens']:,}", _dollars(row["cost"]), _dollars(row["cost_this_hour"]))
        for row in rows
    ]
    columns = (scope, "calls", "tokens", "US dollars", "this hour")
    out.print(console.table(columns, lines, numbers=columns[1:]))

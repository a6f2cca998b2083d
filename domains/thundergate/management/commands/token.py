"""`manage.py token …`: issue, look at and revoke the tokens with which sockets and programs act as a user."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domains import console
from domains.console import between
from domains.thundergate import tokens
from domains.thundergate.models import AccessToken, User

OPERATOR = "operator"
FIELDS = ("id", "user", "agent_id", "state", "issued_at", "expires_at", "revoked_at", "revoked_by", "reason")


class Command(BaseCommand):
    help = "Short-lived tokens with which sockets and programs act as a user."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        issue = verbs.add_parser("issue", help="print a new token; it cannot be shown again")
        issue.add_argument("user", metavar="USER", help="the user's name")
        issue.add_argument(
            "--ttl", type=between(float, 1, tokens.MAX_TTL_S), default=tokens.USUAL_TTL_S, metavar="SECONDS",
            help="it is good for so long (3600; at most a day)",
        )  # fmt: skip
        show = verbs.add_parser("show", help="what is known of a token")
        show.add_argument("token", metavar="ID|TOKEN", help="- reads it from standard input")
        revoke = verbs.add_parser("revoke", help="end tokens before their time")
        revoke.add_argument("ids", nargs="*", type=UUID, metavar="ID")
        revoke.add_argument("--reason", default="", metavar="TEXT")
        listing = verbs.add_parser("list", help="tokens that are good")
        listing.add_argument("--all", action="store_true", help="expired and revoked ones of the last days too")
        listing.add_argument("--limit", type=between(int, 1, 10_000), default=100, help="tokens at most (100)")
        for verb in (revoke, listing):
            verb.add_argument("--user", metavar="USER", help="all of this user's")
        for verb in (issue, revoke, listing):
            verb.add_argument("--agent", type=UUID, metavar="ID", help="for this agent")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(**options)
        except tokens.TokenError as error:
            raise CommandError(f"{error} ({error.code})") from error

    def _issue(self, *, user: str, agent: UUID | None, ttl: float, json: bool, **_: Any) -> None:
        token = tokens.issue(_user(user), agent_id=agent, ttl_s=ttl, by=OPERATOR)
        if json:
            console.write_json(self.stdout, {"token": token, **asdict(tokens.read(token))})
        else:
            self.stdout.write(token)

    def _show(self, *, token: str, json: bool, **_: Any) -> None:
        given = sys.stdin.read().strip() if token == "-" else token  # noqa: S105
        row = tokens.issued(ids=[_id(given)]).first()
        if row is None:
            raise tokens.TokenNotFound("no token is known by this id")
        if json:
            console.write_json(self.stdout, _plain(row))
            return
        for name, value in _plain(row).items():
            if value not in (None, ""):
                self.stdout.write(f"{name:10}  {value}")

    def _revoke(
        self, *, ids: list[UUID], user: str | None, agent: UUID | None, reason: str, json: bool, **_: Any
    ) -> None:
        if bool(ids) == bool(user or agent):
            raise CommandError("revoke which? Either ids, or all of a --user or for an --agent")
        if ids:
            revoked = tokens.revoke(ids, by=OPERATOR, reason=reason)
        else:
            user_id = _user(user).pk if user else None
            revoked = tokens.revoke_all(user_id=user_id, agent_id=agent, by=OPERATOR, reason=reason)
        if json:
            console.write_json(self.stdout, {"revoked": revoked})
        else:
            self.stdout.write(f"{len(revoked)} revoked.")

    def _list(
        self, *, user: str | None, agent: UUID | None, limit: int, json: bool, all: bool = False, **_: Any
    ) -> None:
        user_id = _user(user).pk if user else None
        rows = [_plain(row) for row in tokens.issued(user_id=user_id, agent_id=agent, good=not all)[:limit]]
        if json:
            console.write_json(self.stdout, rows)
            return
        out = console.console(self.stdout)
        columns = ("id", "user", "agent_id", "state", "issued_at", "expires_at")
        out.print(console.table(columns, [[row[name] for name in columns] for row in rows]))


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"there is no user called {name!r}")
    return user


def _id(given: str) -> UUID:
    """Of an id as text, or of a token, were it expired or revoked."""
    try:
        return UUID(given)
    except ValueError:
        return tokens.id_of(given)


def _plain(row: AccessToken) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in FIELDS if name not in ("user", "state")}
    found |= {"user": row.user.get_username(), "state": str(row.state(timezone.now()))}
    return {name: found[name] for name in FIELDS}

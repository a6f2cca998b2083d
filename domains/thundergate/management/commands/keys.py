"""`manage.py keys …`: make, look at, renew and revoke the keys with which programs act as somebody."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domains import console
from domains.console import between
from domains.thundergate import keys, scopes
from domains.thundergate.errors import GateError
from domains.thundergate.models import ApiKey, User

OPERATOR = "operator"
FIELDS = (
    "id", "prefix", "name", "owner", "scopes", "agent_id", "state", "created_at", "expires_at", "last_used_at",
    "revoked_at", "revoked_by", "reason",
)  # fmt: skip


class Command(BaseCommand):
    help = "API keys: what programs show to act as somebody, for some uses only."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        issue = verbs.add_parser("issue", help="print a new key; it cannot be shown again")
        issue.add_argument("user", metavar="USER", help="whose it is")
        issue.add_argument("name", metavar="NAME", help="what it is for")
        issue.add_argument(
            "--scope", action="append", default=[], dest="scopes", metavar="SCOPE",
            help=f"what it may be used for, once for each: {', '.join(scopes.SCOPES)}, zone:ID:join",
        )  # fmt: skip
        issue.add_argument("--agent", type=UUID, metavar="ID", help="it acts for this agent only")
        issue.add_argument(
            "--days", type=between(float, 0.001, keys.MOST_DAYS), metavar="DAYS", help="it is good for so long"
        )
        revoke = verbs.add_parser("revoke", help="end keys, and what they were exchanged for")
        revoke.add_argument("ids", nargs="*", type=UUID, metavar="ID")
        revoke.add_argument("--reason", default="", metavar="TEXT")
        rotate = verbs.add_parser("rotate", help="print a new key in the place of one, which ends")
        rotate.add_argument("id", type=UUID, metavar="ID")
        listing = verbs.add_parser("list", help="keys that are good")
        listing.add_argument("--all", action="store_true", help="expired and revoked ones too")
        listing.add_argument("--limit", type=between(int, 1, 10_000), default=100, help="keys at most (100)")
        for verb in (revoke, listing):
            verb.add_argument("--user", metavar="USER", help="all of this user's")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(**options)
        except GateError as error:
            raise CommandError(f"{error} ({error.code})") from error

    def _issue(
        self, *, user: str, name: str, scopes: list[str], agent: UUID | None, days: float | None, json: bool, **_: Any
    ) -> None:
        made = keys.issue(_user(user), name=name, scopes=scopes, agent_id=agent, days=days, by=OPERATOR)
        self._show_once(made, json)

    def _rotate(self, *, id: UUID, json: bool, **_: Any) -> None:
        self._show_once(keys.rotate(id, by=OPERATOR), json)

    def _show_once(self, made: keys.Issued, json: bool) -> None:
        if json:
            row = keys.issued(ids=[made.id]).get()
            console.write_json(self.stdout, {"key": made.secret, **_plain(row)})
        else:
            self.stdout.write(made.secret)

    def _revoke(self, *, ids: list[UUID], user: str | None, reason: str, json: bool, **_: Any) -> None:
        if bool(ids) == bool(user):
            raise CommandError("revoke which? Either ids, or all of a --user")
        if user:
            revoked = keys.revoke_all(user_id=_user(user).pk, by=OPERATOR, reason=reason)
        else:
            revoked = keys.revoke(ids, by=OPERATOR, reason=reason)
        if json:
            console.write_json(self.stdout, {"revoked": revoked})
        else:
            self.stdout.write(f"{len(revoked)} revoked.")

    def _list(self, *, user: str | None, limit: int, json: bool, all: bool = False, **_: Any) -> None:
        user_id = _user(user).pk if user else None
        rows = [_plain(row) for row in keys.issued(user_id=user_id, good=not all)[:limit]]
        if json:
            console.write_json(self.stdout, rows)
            return
        columns = ("id", "prefix", "name", "owner", "scopes", "state", "expires_at", "last_used_at")
        cells = [[" ".join(row[c]) if c == "scopes" else row[c] for c in columns] for row in rows]
        console.console(self.stdout).print(console.table(columns, cells))


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"there is no user called {name!r}")
    return user


def _plain(row: ApiKey) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in FIELDS if name not in ("owner", "state")}
    found |= {"owner": row.owner.get_username(), "state": str(row.state(timezone.now()))}
    return {name: found[name] for name in FIELDS}

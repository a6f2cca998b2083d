"""`manage.py mcp_stdio`: the server for a client on this machine, which starts it and speaks over its pipes."""

from __future__ import annotations

import asyncio
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcp_server import access
from mcp_server.access import Refused, Who
from mcp_server.server import ThunderServer

TOKEN = "THUNDERLINE_MCP_TOKEN"  # noqa: S105 - the name of a variable


class Command(BaseCommand):
    help = (
        "Serve MCP over standard input and output, for a client that starts it. Somebody must be named: by a token in "
        f"{TOKEN}, or with --user, which takes no password as whoever can run this can read the database anyway."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="the account as which the client acts")

    def handle(self, *args: Any, user: str | None, **options: Any) -> None:
        try:
            who = _who(user)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        asyncio.run(_serve(who))


def _who(user: str | None) -> Who:
    """Raises: Refused."""
    if user:
        return access.of_user(user, door="stdio")
    token = os.environ.get(TOKEN, "")
    if not token:
        raise Refused(f"nobody is named: give --user, or a token in {TOKEN}")
    who = access.identify(token, door="stdio")
    if access.DOOR not in who.scopes:
        raise Refused(f"this needs the scope {access.DOOR}")
    return who


async def _serve(who: Who) -> None:
    server = ThunderServer(alone=who)
    try:
        await server.run_stdio_async()
    finally:
        server.threads.close()

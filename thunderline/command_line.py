"""`manage.py`: gives every command the servers it needs, running or not."""

from __future__ import annotations

import errno
import getpass
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from thunderline.config import config
from thunderline.embedded import attach
from thunderline.embedded.places import EmbeddedError, Places

# Commands that manage the servers themselves, or need none.
ALONE = {
    "up", "down", "help", "version", "--version", "check", "diffsettings", "startapp", "startproject",
    "collectstatic", "findstatic", "compilemessages", "makemessages",
}  # fmt: skip

SERVICES = {"follow", "reasoner", "outside", "bench", "mcp_stdio"}
"""What runs for long, and not for somebody."""


def run(argv: list[str]) -> None:
    """Run a Django command. What a person can set right ends in one line on stderr; Ctrl-C and closed pipes in none."""
    _refuse_bytes(argv)
    try:
        if argv[1:2] in (["up"], ["down"]):
            Places.of(config().var_dir).make()
        with _servers() if needs_servers(argv) else nullcontext():
            _execute(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        sys.exit(128 + signal.SIGPIPE)
    except EmbeddedError as error:
        sys.exit(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk is full: {error.filename or config().var_dir}.")


def _refuse_bytes(argv: list[str]) -> None:
    """Nothing that a command takes can be stored or printed unless it is text."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            sys.exit(f"{word!r} is not UTF-8.")


def _execute(argv: list[str]) -> None:
    import psycopg
    from django.core.management import execute_from_command_line
    from django.db import ProgrammingError

    try:
        with _acting(argv):
            execute_from_command_line(argv)
    except (ProgrammingError, psycopg.ProgrammingError):
        if not _behind():
            raise
        sys.exit("The database is not up to date with this version: run `manage.py migrate`, or start with `up`.")


def _acting(argv: list[str]) -> AbstractContextManager[Any]:
    """Commands are an operator's doing, but for those that serve for as long as they live."""
    from domains.origin import Origin
    from domains.thunderflow.context import acting

    name = argv[1] if len(argv) > 1 else ""
    if name in SERVICES:
        return nullcontext()
    # Not its arguments: there may be a secret among them.
    return acting(actor="operator", origin=Origin("command", request=f"{name} by {_login()}"))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return str(os.getuid())


def _behind() -> bool:
    """Whether migrations are waiting, so that a table or a column that a command wanted is not there."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def needs_servers(argv: list[str]) -> bool:
    """Whether this command line touches the database or Redis, as far as can be told from outside."""
    return len(argv) > 1 and argv[1] not in ALONE and not {"-h", "--help"} & set(argv)


def _servers() -> AbstractContextManager[None]:
    settings = config()
    places = Places.of(settings.var_dir)
    # TERM ends the block like Ctrl-C does: the last command out must stop the servers.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    return attach.attached(
        places, attach.needed(places, database=not settings.database_url, redis=not settings.redis_url)
    )

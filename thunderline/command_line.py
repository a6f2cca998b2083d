"""`manage.py`: gives every command the servers it needs, running or not."""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import AbstractContextManager, nullcontext

from thunderline.config import config
from thunderline.embedded import attach
from thunderline.embedded.places import EmbeddedError, Places

# Commands that manage the servers themselves, or need none.
ALONE = {
    "up", "down", "help", "version", "--version", "check", "diffsettings", "startapp", "startproject",
    "collectstatic", "findstatic", "compilemessages", "makemessages",
}  # fmt: skip


def run(argv: list[str]) -> None:
    """Run a Django command. What a person can set right ends in one line on stderr."""
    try:
        if argv[1:2] in (["up"], ["down"]):
            Places.of(config().var_dir).make()
        with _servers() if needs_servers(argv) else nullcontext():
            _execute(argv)
    except EmbeddedError as error:
        sys.exit(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk is full: {error.filename or config().var_dir}.")


def _execute(argv: list[str]) -> None:
    import psycopg
    from django.core.management import execute_from_command_line
    from django.db import ProgrammingError

    try:
        execute_from_command_line(argv)
    except (ProgrammingError, psycopg.ProgrammingError):
        if not _behind():
            raise
        sys.exit("The database is not up to date with this version: run `manage.py migrate`, or start with `up`.")


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

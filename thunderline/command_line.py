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
    from django.core.management import execute_from_command_line

    try:
        if argv[1:2] in (["up"], ["down"]):
            Places.of(config().var_dir).make()
        with _servers() if needs_servers(argv) else nullcontext():
            execute_from_command_line(argv)
    except EmbeddedError as error:
        sys.exit(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk is full: {error.filename or config().var_dir}.")


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

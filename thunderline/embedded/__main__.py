"""Processes that other programs start.

python -m thunderline.embedded serve postgres VAR     become that server of that var folder python -m
thunderline.embedded run [--fast] CMD…      run a command with servers of its own that leave no trace"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from thunderline.embedded import attach, processes
from thunderline.embedded.places import EmbeddedError, Places
from thunderline.embedded.postgres import Postgres
from thunderline.embedded.redis import Redis

FAST = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


def serve(name: str, var: Path, *, with_parent: bool) -> None:
    """Become a server. The caller holds the installation's lock."""
    places = Places.of(var).make()
    server = {"postgres": Postgres, "redis": Redis}[name](places)
    server.prepare()
    processes.fresh_start()
    server.become(server.stop_signal if with_parent else None)


def run(command: list[str], *, fast: bool) -> int:
    """Exit code of `command`, run with a var folder and servers of its own.

    `TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers to use instead. `DATABASE_URL` and `REDIS_URL` are
    set aside: a run must not disturb a system that works there."""
    var = Path(tempfile.mkdtemp(prefix="thunderline-run-"))
    var.chmod(0o711)  # root's servers run as somebody else
    environ = {**os.environ, "THUNDERLINE_VAR_DIR": str(var)}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environ.pop(name, None)
        if url := os.environ.get(f"TEST_{name}"):
            environ[name] = url
    places = Places.of(var)
    servers = attach.needed(places, database="DATABASE_URL" not in environ, redis="REDIS_URL" not in environ)
    try:
        for server in servers:
            places.make()
            server.prepare()
            if fast and isinstance(server, Postgres):
                with (server.data / "postgresql.conf").open("a") as conf:
                    conf.write(FAST)
        with attach.attached(places, servers):
            return _wait_for(subprocess.Popen(command, env=environ))
    finally:
        for folder in (places.postgres.resolve(), places.runtime, var):
            shutil.rmtree(folder, ignore_errors=True)


def _wait_for(child: subprocess.Popen[bytes]) -> int:
    """Ctrl-C reaches the child by itself, the rest is passed on; either way it is waited for."""

    def forward(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            child.send_signal(number)

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, forward)
    code = child.wait()
    return code if code >= 0 else 128 - code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m thunderline.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("--with-parent", action="store_true", help="end when the parent ends")
    serving.add_argument("name", choices=["postgres", "redis"])
    serving.add_argument("var", type=Path)
    running = commands.add_parser("run")
    running.add_argument("--fast", action="store_true", help="a crash may ruin the data, which nobody will miss")
    running.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.command == "run":
            return run(options.argv[options.argv[:1] == ["--"] :], fast=options.fast)
        serve(options.name, options.var, with_parent=options.with_parent)
    except (EmbeddedError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())

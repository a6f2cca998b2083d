"""`manage.py up` as people run it: the whole system, in a var folder and on a port of its own."""

import json
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

from tests.installation import PROGRAMS, Installation, eventually, installation
from thunderline import embedded
from thunderline.embedded import attach
from thunderline.embedded.places import Places
from thunderline.embedded.postgres import Postgres

__all__ = ["installation"]


def test_a_life(installation: Installation) -> None:
    """Start, a second copy, kills, another command, Ctrl-C."""
    said = installation.start()
    assert "(shown this once)" in said
    eventually(installation.answers)
    eventually(lambda: len(installation.pids()) == PROGRAMS)

    second = installation.manage("up")
    assert second.returncode == 1
    assert f"runs already at http://127.0.0.1:{installation.port}/" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    before = installation.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(installation.pids().values()) - set(before.values())) == PROGRAMS)
    eventually(installation.answers)

    reset = installation.manage("operator", "reset-password")
    assert json.loads(reset.stdout)["username"] == "operator", reset.stderr

    said = installation.end()
    assert installation.up
    assert installation.up.returncode == 0
    assert said.endswith("Stopped. The data stays in place for the next start.\n")
    assert installation.processes() == []


@pytest.mark.parametrize("words", [("agents", "list"), ("events", "tail"), ("world", "status")])
def test_before_the_first_start_a_command_says_what_to_do(installation: Installation, words: tuple[str, str]) -> None:
    done = installation.manage(*words)
    assert done.returncode == 1
    assert done.stderr == (
        "The database is not up to date with this version: run `manage.py migrate`, or start with `up`.\n"
    )


def test_a_port_in_use_is_one_line(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        done = installation.manage("up")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Port {installation.port} on 127.0.0.1 is in use: set THUNDERLINE_PORT to another one."
    ]
    assert "Nothing is in the way" in installation.manage("up", "--check").stdout


def test_named_servers_are_used_and_none_is_started(installation: Installation, tmp_path: Path) -> None:
    served = Places.of(tmp_path / "served")
    with attach.attached(served, attach.needed(served, database=True, redis=True)):
        installation.served = {
            "DATABASE_URL": embedded.database_url(served.var),
            "REDIS_URL": embedded.redis_url(served.var),
        }
        assert "Nothing is in the way" in installation.manage("up", "--check").stdout
        code = "from django.db import connection as c; c.ensure_connection(); print(c.settings_dict['HOST'])"
        connected = installation.manage("shell", "-v0", "-c", code)
        assert connected.stdout.strip() == str(served.sockets), connected.stderr
        assert not installation.places.postgres.exists()
        assert Postgres(served).ready()
    shutil.rmtree(served.postgres.resolve())
    shutil.rmtree(served.runtime)

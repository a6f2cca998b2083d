"""A whole installation for tests that run `manage.py` as people do. Import the fixture where it is used."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from thunderline.embedded.places import SOURCE, Places
from thunderline.supervision import supervisor

# The embedded servers and the application's processes.
PROGRAMS = 11


@dataclass
class Installation:
    """A var folder, a port, and what runs there."""

    places: Places
    port: int
    up: subprocess.Popen[str] | None = None
    served: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        return {
            **kept,
            "THUNDERLINE_VAR_DIR": str(self.places.var),
            "THUNDERLINE_PORT": str(self.port),
            "THUNDERLINE_WORKERS": "2",
            "THUNDERLINE_DEMO": "false",
            **self.served,
        }

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, SOURCE / "manage.py", *words]
        return subprocess.run(command, env=self.environ, cwd="/", capture_output=True, text=True)

    def start(self) -> str:
        """Run `up`; returns what it said until it was up."""
        self.up = subprocess.Popen(
            [sys.executable, SOURCE / "manage.py", "up"],
            env=self.environ, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said = ""
        assert self.up.stdout
        for line in self.up.stdout:
            said += line
            if "account" in line:
                break
        assert "Thunderline runs." in said, said
        return said

    def end(self, sign: signal.Signals = signal.SIGINT) -> str:
        """What it said after the signal."""
        assert self.up
        self.up.send_signal(sign)
        said, _ = self.up.communicate(timeout=120)
        return said

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    def pids(self) -> dict[str, int]:
        """Process ids by program, of those that run."""
        found = supervisor.ask(self.places, "getAllProcessInfo")
        return {each["name"]: each["pid"] for each in found if each["statename"] == "RUNNING"}

    def processes(self) -> list[psutil.Process]:
        """Every process of this installation, found by the var folder in its environment or command line."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            words = [*process.cmdline(), process.environ().get("THUNDERLINE_VAR_DIR", "")]
        except psutil.Error:
            return False
        marks = (str(self.places.var), str(self.places.runtime))
        return process.pid != os.getpid() and any(mark in word for word in words for mark in marks)


def eventually(holds: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.1)


@contextmanager
def installed(var: Path) -> Iterator[Installation]:
    """An installation in a folder; whatever runs of it at the end is ended."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = Installation(Places.of(var), port)
    try:
        yield made
    finally:
        for process in made.processes():
            process.kill()
        if made.up and made.up.stdout:
            made.up.kill()
            made.up.communicate()
        shutil.rmtree(made.places.postgres.resolve(), ignore_errors=True)
        shutil.rmtree(made.places.runtime, ignore_errors=True)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "var") as made:
        yield made

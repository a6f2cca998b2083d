"""What PostgreSQL and Redis have in common."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import SIGINT, Signals
from typing import ClassVar

import psutil

from thunderline.embedded import processes
from thunderline.embedded.places import SOURCE, EmbeddedError, Places

START_S = 60
# Nothing of the caller's environment: PGPORT, for one, would change what PostgreSQL does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


class Server(ABC):
    """One embedded server. Only who holds the installation's lock (see `attach`) may prepare, start or stop
    it."""

    name: ClassVar[str]
    stop_signal: ClassVar[Signals] = SIGINT
    stop_wait_s: ClassVar[int] = 60

    def __init__(self, places: Places) -> None:
        self.places = places

    @abstractmethod
    def prepare(self) -> None:
        """Make everything ready for `become`; ends what an earlier start left running. Raises:
        EmbeddedError."""

    @abstractmethod
    def become(self, at_parents_end: Signals | None) -> None:
        """Turn this process into the server, as the servers' user; it gets that signal when its parent ends.
        Does not return."""

    @abstractmethod
    def process(self) -> psutil.Process | None:
        """The running server, known by what it is and not by a pid alone."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it takes connections."""

    def drop(self, at_parents_end: Signals | None) -> None:
        """Stop being root. The wish for a signal comes after: a change of user takes it back."""
        processes.drop_to(*self.places.server_user())
        if at_parents_end:
            processes.die_with_parent(at_parents_end)

    @property
    def log(self) -> Path:
        return self.places.log / f"{self.name}.log"

    def command(self, *options: str) -> list[str]:
        """Command line of a process that becomes this server."""
        return [
            sys.executable,
            "-m",
            "thunderline.embedded",
            "serve",
            *options,
            self.name,
            str(self.places.var),
        ]

    def start(self) -> None:
        """Run it in the background, beyond this process's end and its terminal. Returns once it takes
        connections."""
        with self.log.open("ab") as log:
            self.places.give(self.log)
            child = subprocess.Popen(
                self.command(),
                cwd=SOURCE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.await_ready(child)
        # It goes on without us, and may be stopped by another process: nobody here waits for it.
        child.returncode = 0

    def await_ready(self, child: subprocess.Popen[bytes] | None = None) -> None:
        """Raises: EmbeddedError with the log's last line if the server does not come up."""
        deadline = time.monotonic() + START_S
        while not self.ready():
            if (child and child.poll() is not None) or time.monotonic() > deadline:
                raise EmbeddedError(f"{self.name} did not start: {self.last_words()} (see {self.log})")
            time.sleep(0.02)

    def last_words(self) -> str:
        return complaint(self.log.read_text(errors="replace") if self.log.exists() else "")

    def stop(self) -> None:
        if process := self.process():
            processes.stop([process], self.stop_signal, self.stop_wait_s)


def complaint(output: str) -> str:
    """The line that says what is wrong, among those at the end."""
    lines = output.strip().splitlines()[-10:]
    wrong = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line.lower()]
    return [*wrong, *lines[-1:], "it said nothing"][0]

"""`manage.py up`: the whole system, from the first check to the end of its last process."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import FrameType
from typing import TextIO

from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections
from django.utils import timezone

from domains.thunderblock import actions as thunderblock
from thunderline import demo, metrics
from thunderline.config import Config
from thunderline.embedded import attach
from thunderline.embedded.locks import FileLock
from thunderline.embedded.places import EmbeddedError, Places
from thunderline.embedded.server import START_S, Server
from thunderline.supervision import checks, operator_account, programs, supervisor
from thunderline.supervision.terminal import Terminal

APPLICATION_START_S = 60
POLL_S = 0.2
# A supervisor that ends sooner than this after its start would only do so again.
STEADY_S = 3


class Stopped(BaseException):
    """Somebody asked the system to end. Not an Exception: nothing in between may take it for an error."""


class System:
    """One run of everything. `out` is the terminal."""

    def __init__(self, config: Config, out: TextIO, *, reload: bool = False) -> None:
        self.config = config
        self.places = Places.of(config.var_dir)
        self.servers: list[Server] = attach.needed(
            self.places, database=not config.database_url, redis=not config.redis_url
        )
        self.application = programs.application_stages(config, reload=reload)
        self.stages = [*programs.server_stages(self.servers), *self.application]
        self.terminal = Terminal(out, self.places.log, [p.name for stage in self.stages for p in stage.programs])

    @cached_property
    def address(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.config.bind, self.config.bind)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.config.port}/"

    def run(self) -> None:
        """Until Ctrl-C, TERM, or `manage.py down`. Raises: EmbeddedError."""
        self.places.make()
        try:
            with signals_end_it(), attach.claim(self.places, self.address, self.terminal.out) as lock:
                checks.check(self.config, self.places)
                for server in self.servers:
                    server.prepare()
                while self._once(lock):
                    self.terminal.say("The supervisor was killed. Starting everything again.")
        except Stopped:
            self.terminal.say("Stopped. The data stays in place for the next start.")
        finally:
            self.terminal.close()

    def _once(self, lock: FileLock) -> bool:
        """One supervisor's life. True if it was killed, and not asked to end."""
        process = supervisor.start(self.places, self.stages, lock)
        started = time.monotonic()
        try:
            self._bring_up(process)
            while process.poll() is None:
                self.terminal.show_logs()
                time.sleep(POLL_S)
        finally:
            self._end(process)
        if process.returncode == 0:
            raise Stopped
        if time.monotonic() - started < STEADY_S:
            raise EmbeddedError(f"The supervisor keeps ending: see {self.places.log / 'supervisord.log'}.")
        return True

    def _bring_up(self, process: subprocess.Popen[bytes]) -> None:
        self._wait(process, START_S, lambda: all(server.ready() for server in self.servers), "The servers")
        try:
            call_command("migrate", verbosity=0, interactive=False)
            begin()
            if self.config.demo:
                demo.ensure()
            password = operator_account.ensure()
        except OperationalError as error:
            raise EmbeddedError(f"The database refuses: {str(error).strip().splitlines()[0]}") from error
        finally:
            connections.close_all()
        supervisor.start_stages(self.places, [stage.name for stage in self.application])
        try:
            self._wait(process, APPLICATION_START_S, self._application_runs, "The application")
        except EmbeddedError as error:
            # What else runs goes on; the supervisor keeps trying.
            self.terminal.say(f"{error} Not up: {', '.join(supervisor.not_running(self.places)) or 'web'}.")
        self.terminal.say(welcome(self.address, password))

    def _wait(self, process: subprocess.Popen[bytes], seconds: float, done: Callable[[], bool], what: str) -> None:
        """Show the logs until `done`. Raises: EmbeddedError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not done() and process.poll() is None:
            self.terminal.show_logs()
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{what} did not come up within {seconds:.0f} s: see {self.places.log}.")
            time.sleep(POLL_S)

    def _application_runs(self) -> bool:
        return checks.listens(self.config.bind, self.config.port) and not supervisor.not_running(self.places)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Stop everything in order, and wait for it."""
        if process.poll() is None:
            self.terminal.say("Stopping.")
            supervisor.shut_down(self.places)
        deadline = time.monotonic() + supervisor.STOP_S
        while process.poll() is None:
            self.terminal.show_logs()
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(POLL_S)
        self.terminal.show_logs()


@contextmanager
def signals_end_it() -> Iterator[None]:
    """The first of Ctrl-C, TERM and a closed terminal raises Stopped; while everything ends, more of them do
    nothing."""
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise Stopped

    signs = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signs.append(signal.SIGHUP)
    before = {sign: signal.signal(sign, stop) for sign in signs}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def begin() -> None:
    """What each start of the whole system begins with: every enabled domain waits, counters of old processes go."""
    metrics.clear()
    thunderblock.start_all(now=timezone.now(), eager=settings.EAGER_DOMAINS)


def welcome(address: str, password: str | None) -> str:
    """What to open, and how to get in."""
    lines = [
        "",
        "Thunderline runs. Ctrl-C stops it.",
        f"  dashboard  {address}",
        f"  admin      {address}admin/",
        f"  health     {address}health",
        f"  account    {operator_account.USERNAME}, "
        + (
            f"password {password} (shown this once)"
            if password
            else "a new password: manage.py operator reset-password"
        ),
        "",
    ]
    return "\n".join(lines)

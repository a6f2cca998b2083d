"""File locks that the kernel gives back when their last holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from thunderline.embedded.places import Places


class FileLock:
    """A `flock` on one file. Processes that inherit `fd` share the lock. Closing it lets go."""

    def __init__(self, path: Path, places: Places) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        places.give(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def take(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take it, or change how it is held. False if somebody is in the way and `wait` is off; what was held
        is then lost. Changing takes two steps: others may come between."""
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(self.fd, mode)
        except BlockingIOError:
            return False
        return True


def is_held(path: Path, places: Places) -> bool:
    """Whether anybody holds it alone. Call under `attach.mutex`, lest the look itself be in the way of a
    taker."""
    with FileLock(path, places) as lock:
        return not lock.take(shared=True, wait=False)

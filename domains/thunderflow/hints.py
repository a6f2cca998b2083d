"""A word to followers that something has been committed: one Redis message a process and twenty milliseconds.

Nothing depends on it: who follows also looks each second. No NOTIFY, which would make commits wait for each other.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading

import redis
from django.conf import settings

CHANNEL = "thunderline:events"
PAUSE_S = 0.02
"""Between two messages of a process."""

logger = logging.getLogger(__name__)


class _Teller(threading.Thread):
    """Tells at once, then at most once a pause. A daemon: what it owes at the end of the process is told there."""

    def __init__(self) -> None:
        super().__init__(name="event-hints", daemon=True)
        self.owed = threading.Event()
        self._redis = redis.Redis.from_url(settings.REDIS_URL)
        self._pause = threading.Event()

    def run(self) -> None:
        """For as long as the process lives."""
        while True:
            self.owed.wait()
            self.tell()
            self._pause.wait(PAUSE_S)

    def tell(self) -> None:
        """One message, if one is owed. Never fails."""
        if not self.owed.is_set():
            return
        self.owed.clear()
        try:
            self._redis.publish(CHANNEL, b"")
        except redis.RedisError as error:
            logger.info("followers were not told: %s", error)


_teller: _Teller | None = None
_making = threading.Lock()


def tell() -> None:
    """Events have been committed. Costs a microsecond; call it after commit."""
    global _teller
    if _teller is None:
        with _making:
            if _teller is None:
                _teller = _Teller()
                _teller.start()
                atexit.register(_teller.tell)
    _teller.owed.set()


def _forget() -> None:
    """A forked process has no thread of its parent's."""
    global _teller, _making
    _teller, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)

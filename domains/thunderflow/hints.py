"""A word to followers of what has been committed: one Redis message a process and twenty milliseconds.

The message is JSON, each stream's last `seq`; an empty one says only that there is something. Nothing depends on it:
who follows also looks each second. No NOTIFY, which would make commits wait for each other.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping

import orjson
import redis
from django.conf import settings

CHANNEL = "thunderline:events"
PAUSE_S = 0.02
"""Between two messages of a process."""
MOST_NAMED = 500
"""Streams that one message names; of more it says only that there is something."""

logger = logging.getLogger(__name__)


class _Teller(threading.Thread):
    """Tells at once, then at most once a pause. A daemon: what it owes at the end of the process is told there."""

    def __init__(self) -> None:
        super().__init__(name="event-hints", daemon=True)
        self.owed = threading.Event()
        self._last: dict[str, int] = {}
        self._redis = redis.Redis.from_url(settings.REDIS_URL)
        self._pause = threading.Event()

    def run(self) -> None:
        """For as long as the process lives."""
        while True:
            self.owed.wait()
            self.tell()
            self._pause.wait(PAUSE_S)

    def note(self, last: Mapping[str, int]) -> None:
        """Another commit. A stream's older number that comes late in the same moment does no harm."""
        self._last.update(last)
        self.owed.set()

    def tell(self) -> None:
        """One message, if one is owed. Never fails."""
        if not self.owed.is_set():
            return
        self.owed.clear()
        last, self._last = self._last, {}
        try:
            self._redis.publish(CHANNEL, orjson.dumps(last if len(last) <= MOST_NAMED else {}))
        except redis.RedisError as error:
            logger.info("followers were not told: %s", error)


_teller: _Teller | None = None
_making = threading.Lock()


def tell(last: Mapping[str, int] | None = None) -> None:
    """Events have been committed, up to these numbers of their streams. Costs a microsecond; call it after commit."""
    global _teller
    if _teller is None:
        with _making:
            if _teller is None:
                _teller = _Teller()
                _teller.start()
                atexit.register(_teller.tell)
    _teller.note(last or {})


def _forget() -> None:
    """A forked process has no thread of its parent's."""
    global _teller, _making
    _teller, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
